"""RANKER_REDIS_…: every fault is one sentence that names the variable and the fix, never a secret."""

from __future__ import annotations

import pytest

from ranker import settings
from ranker.connect.redis_settings import RedisSettings
from schemas.configuration import SettingsError
from tests.support.certificates import Authority

SECRET = "hush-hush"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """By name; `nothing` is empty, `lines` has two lines, `gone` is not there, `other` is another pair's key."""
    directory = tmp_path_factory.mktemp("redis")
    authority = Authority(directory)
    client, other = authority.client(), authority.client("other")
    for name, text in (
        ("password", f"{SECRET}\n"),
        ("nothing", "\n"),
        ("lines", f"{SECRET}\n{SECRET}\n"),
        ("text", SECRET),
    ):
        (directory / name).write_text(text)
    named = {name: str(directory / name) for name in ("password", "nothing", "lines", "text", "gone")}
    return named | {"ca": str(authority.ca), "cert": str(client.cert), "key": str(client.key), "other": str(other.key)}


def environ(files: dict[str, str], **given: str) -> dict[str, str]:
    return {f"RANKER_REDIS_{name}": value.format(**files) for name, value in given.items()}


FAULTS: list[tuple[dict[str, str], str]] = [
    ({"PASSWORD_FILE": "{gone}"}, "RANKER_REDIS_PASSWORD_FILE: cannot be read (No such file or directory); name a file"),
    ({"PASSWORD_FILE": SECRET}, "RANKER_REDIS_PASSWORD_FILE: cannot be read (No such file or directory); name a file that this user may read, not the secret itself"),
    ({"PASSWORD_FILE": "{nothing}"}, "RANKER_REDIS_PASSWORD_FILE: the file has nothing in it; write the secret on one line"),
    ({"PASSWORD_FILE": "{lines}"}, "RANKER_REDIS_PASSWORD_FILE: the file has several lines"),
    ({"URL": f"redis://:{SECRET}@h", "PASSWORD_FILE": "{password}"}, "RANKER_REDIS_PASSWORD_FILE: RANKER_REDIS_URL holds a password, too; keep the file"),
    ({"URL": f"redis://h?password={SECRET}", "PASSWORD_FILE": "{password}"}, "RANKER_REDIS_PASSWORD_FILE: RANKER_REDIS_URL holds a password, too"),
    ({"URL": f"redis://u:{SECRET}@h", "USERNAME": "v"}, "RANKER_REDIS_USERNAME: RANKER_REDIS_URL names a user, too; keep one of them"),
    ({"USERNAME": "v"}, "RANKER_REDIS_USERNAME: needs RANKER_REDIS_PASSWORD_FILE beside it"),
    ({"CA_FILE": "{ca}"}, "RANKER_REDIS_CA_FILE: has no effect, since redis:// is not encrypted; write rediss://… in RANKER_REDIS_URL"),
    ({"URL": "redis+sentinel://h/main", "CA_FILE": "{ca}"}, "RANKER_REDIS_CA_FILE: has no effect, since redis+sentinel:// is not encrypted; write rediss+sentinel://…"),
    ({"URL": "unix:///r.sock", "CA_FILE": "{ca}"}, "RANKER_REDIS_CA_FILE: has no effect, since unix:// is not encrypted; write rediss://…"),
    ({"SENTINEL_PASSWORD_FILE": "{password}"}, "RANKER_REDIS_SENTINEL_PASSWORD_FILE: has no effect, since RANKER_REDIS_URL names no Sentinels"),
    ({"URL": "redis+sentinel://h/main", "SENTINEL_USERNAME": "u"}, "RANKER_REDIS_SENTINEL_USERNAME: needs RANKER_REDIS_SENTINEL_PASSWORD_FILE beside it"),
    ({"URL": "redis+sentinel://h/main", "SENTINEL_PASSWORD_FILE": "{nothing}"}, "RANKER_REDIS_SENTINEL_PASSWORD_FILE: the file has nothing in it"),
    ({"URL": "rediss://h", "CERT_FILE": "{cert}"}, "RANKER_REDIS_CERT_FILE: needs RANKER_REDIS_KEY_FILE beside it"),
    ({"URL": "rediss://h", "KEY_FILE": "{key}"}, "RANKER_REDIS_KEY_FILE: needs RANKER_REDIS_CERT_FILE beside it"),
    ({"URL": "rediss://h", "CERT_FILE": "{cert}", "KEY_FILE": "{other}"}, "RANKER_REDIS_KEY_FILE: "),
    ({"URL": "rediss://h", "CA_FILE": "{text}"}, "RANKER_REDIS_CA_FILE: "),
    ({"URL": "rediss://h", "CA_FILE": "{gone}"}, "RANKER_REDIS_CA_FILE: "),
    ({"URL": "rediss://h?ssl_ca_certs=/ca.pem", "CA_FILE": "{ca}"}, "RANKER_REDIS_URL: ssl_ca_certs is the same as RANKER_REDIS_CA_FILE and others"),
    ({"URL": f"redis+tls://:{SECRET}@h"}, "RANKER_REDIS_URL: '***://***@h' must start with one of redis://"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_faults(files: dict[str, str], given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.load(None, environ(files, **given))
    (fault,) = caught.value.faults
    assert fault.startswith(said)
    assert "; " in fault or "must start" in fault
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"USERNAME": "u", "PASSWORD_FILE": "{password}"},
        {"URL": "redis://u@h", "PASSWORD_FILE": "{password}"},
        {"URL": f"redis://:{SECRET}@h", "USERNAME": "u"},
        {"URL": "rediss+cluster://h,i", "CA_FILE": "{ca}", "CERT_FILE": "{cert}", "KEY_FILE": "{key}"},
        {"URL": "redis+sentinel://h/main", "SENTINEL_USERNAME": "u", "SENTINEL_PASSWORD_FILE": "{password}"},
    ],
)
def test_what_is_shown(files: dict[str, str], given: dict[str, str]) -> None:
    """All that is set, without the password, wherever it is."""
    found = settings.load(None, environ(files, **given))
    shown = {name: value for name, value in found.masked().items() if name.startswith("RANKER_REDIS_")}
    assert set(shown) == {"RANKER_REDIS_URL", *environ(files, **given)}
    assert SECRET not in repr(found) + str(found.masked())


def test_the_object_holds_no_secret_of_a_file(files: dict[str, str]) -> None:
    assert SECRET not in repr(RedisSettings.from_environ(environ(files, PASSWORD_FILE="{password}")))
