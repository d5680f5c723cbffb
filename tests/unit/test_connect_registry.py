"""The schema registry: what is read of it, and one sentence with the fix for whatever is wrong, never with a secret."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from ranker.connect.registry import Registry, RegistryAwayError, RegistrySettings
from ranker.log import value_schemas
from ranker.log.value_schemas import ValueSchemas
from tests.support.certificates import Authority
from tests.support.raw_records import Given
from tests.support.registry import SchemaRegistry, serving

HIT = {"type": "record", "name": "Hit", "fields": [{"name": "path", "type": "string"}]}
SECRET = "s3cret-of-the-registry"


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with serving(SchemaRegistry()) as found:
        yield found


async def read(registry: SchemaRegistry, **more: str) -> tuple[str, ...]:
    return await numbered(registry, 7, **more)


async def numbered(registry: SchemaRegistry, number: int, **more: str) -> tuple[str, ...]:
    return await Registry(RegistrySettings(registry.url, **more)).schema(number)


async def away(registry: SchemaRegistry, **more: str) -> str:
    with pytest.raises(RegistryAwayError) as caught:
        await read(registry, **more)
    assert SECRET not in str(caught.value)
    return str(caught.value)


async def test_a_schema_is_read_by_its_number(registry: SchemaRegistry) -> None:
    registry.add(7, HIT)
    assert list(map(json.loads, await read(registry))) == [HIT]
    assert await numbered(registry, 8) == ()


async def test_what_it_refers_to_comes_before_it(registry: SchemaRegistry) -> None:
    """Each once, the innermost first; names of subjects may have any character."""
    registry.refer("a/b", 1, "inner")
    registry.refer("outer", 3, "outer", references=[{"name": "i", "subject": "a/b", "version": 1}])
    more = [{"name": "o", "subject": "outer", "version": 3}, {"name": "i", "subject": "a/b", "version": 1}]
    registry.add(7, HIT, references=more)
    assert list(map(json.loads, await read(registry))) == ["inner", "outer", HIT]
    registry.add(8, HIT, references=[{"name": "x", "subject": "gone", "version": 1}])
    assert await numbered(registry, 8) == (), "a schema without what it refers to is none"


async def test_user_and_password(registry: SchemaRegistry, tmp_path: Path) -> None:
    """The password is read for each request: it may be renewed meanwhile."""
    registry.add(7, HIT)
    registry.login = ("reader", SECRET)
    file = tmp_path / "password"
    file.write_text("wrong\n")
    settings = {"username": "reader", "password_file": str(file)}
    assert "refuses user reader (status 401); correct RANKER_REGISTRY_USERNAME" in await away(registry, **settings)
    assert "refuses a client without a user" in await away(registry)
    file.write_text(f"{SECRET}\n")
    assert await read(registry, **settings)


async def test_tls(tmp_path: Path) -> None:
    """With its CA, and with a certificate of ours if it wants one."""
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    server, client = authority.server(), authority.client()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert, server.key)
    context.load_verify_locations(authority.ca)
    with serving(SchemaRegistry(), context) as registry:
        registry.add(7, HIT)
        assert await read(registry, ca_file=str(authority.ca))
        said = await away(registry, ca_file=str(other.ca))
        assert "from an unknown CA; set RANKER_REGISTRY_CA_FILE" in said
        registry.url = registry.url.replace("https", "http")
        assert "start it, or correct RANKER_REGISTRY_URL" in await away(registry)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(SchemaRegistry(), context) as registry:
        registry.add(7, HIT)
        files = {"ca_file": str(authority.ca), "cert_file": str(client.cert), "key_file": str(client.key)}
        assert await read(registry, **files)
        assert "the schema registry at localhost" in await away(registry, ca_file=str(authority.ca))


async def test_tls_where_there_is_none(registry: SchemaRegistry) -> None:
    registry.url = registry.url.replace("http", "https")
    assert "does not talk TLS with us" in await away(registry)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (500, None, "replies with status 500; see its log"),
        (404, b"<html>", "does not reply as a schema registry does (status 404); see that RANKER_REGISTRY_URL is"),
        (200, b"<html>", "replies something else than a schema"),
        (200, b"[]", "replies something else than a schema"),
        (200, b"{}", "replies without a schema"),
        (200, b" " * (5 << 20), "replies something else than a schema"),
    ],
)
async def test_what_is_no_registry(registry: SchemaRegistry, status: int, body: bytes | None, said: str) -> None:
    registry.add(7, HIT)
    registry.status, registry.body = status, body
    assert said in await away(registry)


async def test_files_that_cannot_be_used_any_more(registry: SchemaRegistry, tmp_path: Path) -> None:
    """A password that was taken away, or is being written, says so and can be mended while we wait."""
    (tmp_path / "password").write_text("")
    said = await away(registry, username="u", password_file=str(tmp_path / "password"))
    assert said == "RANKER_REGISTRY_PASSWORD_FILE: the file has nothing in it; write the secret on one line"
    registry.url = registry.url.replace("http", "https")
    said = await away(registry, ca_file=str(tmp_path / "gone.pem"))
    assert "a file of RANKER_REGISTRY_… cannot be used (No such file or directory); mend it" in said


@pytest.mark.parametrize("reference", [{}, {"subject": "s"}, {"subject": "s", "version": "x"}, 5])
async def test_references_that_are_none(registry: SchemaRegistry, reference: object) -> None:
    registry.add(7, HIT, references=[reference])
    assert "names a reference that is none" in await away(registry)


async def test_a_redirect_is_not_followed(registry: SchemaRegistry, tmp_path: Path) -> None:
    """It would take the password to wherever it points."""
    (tmp_path / "password").write_text(SECRET)
    with serving(SchemaRegistry()) as other:
        registry.status, registry.location = 302, f"{other.url}/schemas/ids/7"
        said = await away(registry, username="u", password_file=str(tmp_path / "password"))
        assert "does not reply as a schema registry does (status 302)" in said
        assert other.requests == []


async def test_nobody_is_there(registry: SchemaRegistry) -> None:
    registry.url = "http://127.0.0.1:1"
    assert await away(registry) == (
        "the schema registry at 127.0.0.1:1 does not reply (Connection refused); start it, or correct RANKER_REGISTRY_URL"
    )


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"URL": f"http://u:{SECRET}@h:1"}, "RANKER_REGISTRY_URL: .*write the user into RANKER_REGISTRY_USERNAME"),
        ({"URL": "h:8081"}, "RANKER_REGISTRY_URL: .*is not http://HOST:PORT"),
        ({"URL": "http://h:0"}, "RANKER_REGISTRY_URL: .*is not http://HOST:PORT"),
        ({"URL": "http://h:x"}, "RANKER_REGISTRY_URL: .*cannot be read; write http"),
        ({"URL": f"http://h:1?token={SECRET}"}, "RANKER_REGISTRY_URL: .*has more than an address"),
        ({"USERNAME": "u"}, "RANKER_REGISTRY_USERNAME: has no effect without RANKER_REGISTRY_URL"),
        ({"URL": "http://h:1", "USERNAME": "u"}, "RANKER_REGISTRY_USERNAME: needs RANKER_REGISTRY_PASSWORD_FILE"),
        ({"URL": "http://h:1", "PASSWORD_FILE": SECRET}, "RANKER_REGISTRY_PASSWORD_FILE: "),
        ({"URL": "http://h:1", "CA_FILE": "/ca.pem"}, "RANKER_REGISTRY_CA_FILE: has no effect with http://"),
        ({"URL": "https://h:1", "CA_FILE": "/nowhere"}, "RANKER_REGISTRY_CA_FILE: /nowhere cannot be read"),
        ({"URL": "https://h:1", "CERT_FILE": "/c"}, "RANKER_REGISTRY_CERT_FILE: needs RANKER_REGISTRY_KEY_FILE"),
    ],
)
def test_settings_that_cannot_be_meant(environ: dict[str, str], fault: str) -> None:
    """Each with its fix, and without what may be a secret."""
    settings = RegistrySettings.from_environ({f"RANKER_REGISTRY_{name}": value for name, value in environ.items()})
    faults = " | ".join(settings.faults())
    assert re.search(fault, faults), faults
    assert SECRET not in faults


def test_what_is_set_is_shown_without_secrets() -> None:
    settings = RegistrySettings(f"http://u:{SECRET}@h:1", "u", "/password")
    assert settings.shown() == {
        "RANKER_REGISTRY_URL": "http://***@h:1",
        "RANKER_REGISTRY_USERNAME": "u",
        "RANKER_REGISTRY_PASSWORD_FILE": "/password",
    }


async def test_schemas_are_kept(registry: SchemaRegistry) -> None:
    """One request for each; a number that is unknown at first is asked again for a while, since followers lag."""
    registry.add(7, HIT)
    schemas = ValueSchemas(Registry(RegistrySettings(registry.url)), patience_s=0)
    records = [
        Given(0, 0, None, value)
        for value in (b"\0\0\0\0\x07x", b"\0\0\0\0\x08", None, b"", b"\x01\0\0\0\x09x", b"\0\0")
    ]
    assert schemas.lacking(records) == {7, 8}
    await schemas.ensure(schemas.lacking(records))
    assert schemas.lacking(records) == set()
    assert (len(schemas.known[7]), schemas.known[8]) == (1, ())
    await schemas.ensure(schemas.lacking(records))
    assert sorted(registry.requests) == ["/schemas/ids/7", "/schemas/ids/8"]
    patient = ValueSchemas(Registry(RegistrySettings(registry.url)), patience_s=0.2)
    await patient.fetch([8])
    assert registry.requests[2:] == ["/schemas/ids/8"] * 2


async def test_a_reply_that_breaks_off(registry: SchemaRegistry) -> None:
    """Of an error, too: each is the registry's, and may be over the next time."""
    for status in (200, 404, 500):
        registry.status, registry.breaks_off = status, True
        assert "does not reply" in await away(registry)


async def test_references_without_an_end(registry: SchemaRegistry) -> None:
    """In a circle, or one behind the other."""
    registry.refer("a", 1, "a", references=[{"subject": "b", "version": 1}])
    registry.refer("b", 1, "b", references=[{"subject": "a", "version": 1}])
    registry.add(7, HIT, references=[{"subject": "a", "version": 1}])
    assert "refer to each other in a circle (subject 'a', version 1); register them again" in await away(registry)
    assert len(registry.requests) == 3
    for number in range(200):
        registry.refer(f"c{number}", 1, "c", references=[{"subject": f"c{number + 1}", "version": 1}])
    registry.add(7, HIT, references=[{"subject": "c0", "version": 1}])
    assert "more than 100 references" in await away(registry)


async def test_what_it_did_not_have_it_may_have_later(registry: SchemaRegistry) -> None:
    """It is asked for again, unless somebody has accepted that it is not there."""
    schemas = ValueSchemas(Registry(RegistrySettings(registry.url)), patience_s=0)
    records = [Given(offset, 0, None, value) for offset, value in enumerate((b"\0\0\0\0\7x", b"\0\0\0\0\x08x"))]
    assert schemas.undecided(records, 0) == schemas.lacking(records) == {7, 8}
    await schemas.fetch({7, 8})
    assert schemas.lacking(records) == set()
    assert [schemas.undecided(records, accepted) for accepted in (0, 1, 2)] == [{7, 8}, {8}, set()]
    registry.add(7, HIT)
    await schemas.fetch({7, 8})
    assert (len(schemas.known[7]), schemas.undecided(records, 0)) == (1, {8})


async def test_the_bound_takes_nothing_that_is_needed(
    registry: SchemaRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(value_schemas, "_MOST", 2)
    schemas = ValueSchemas(Registry(RegistrySettings(registry.url)), patience_s=0)
    for number in range(1, 6):
        registry.add(number, HIT)
    await schemas.fetch({1, 2, 3})
    records = [Given(0, 0, None, b"\0\0\0\0" + bytes([number])) for number in (3, 4)]
    lacking = schemas.lacking(records)
    await schemas.ensure(lacking)
    assert schemas.known.keys() == {3, 4}


async def test_numbers_that_are_unknown_are_waited_for_together(registry: SchemaRegistry) -> None:
    """Each has its request; the patience is over once."""
    schemas = ValueSchemas(Registry(RegistrySettings(registry.url)), patience_s=0.3)
    begun_s = asyncio.get_running_loop().time()
    await schemas.fetch(range(100, 160))
    assert asyncio.get_running_loop().time() - begun_s < 0.3 * 60 / 4 / 2
    assert len(schemas.known) == 60
