"""How Kafka's clients are set up by the environment: each fault once, and no secret in what is said of it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from aiokafka.conn import OAuthAuthenticator
from aiokafka.errors import SaslAuthenticationFailed

from ranker.connect.kafka import KafkaRefusedError, KafkaSettings
from ranker.connect.kafka_connections import SecretFileError
from tests.support.certificates import Authority

SECRET = "hush-hush"


@pytest.fixture
def secret(tmp_path: Path) -> str:
    """A file that holds SECRET."""
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return str(file)


@pytest.fixture
def ca(tmp_path: Path) -> str:
    return str(Authority(tmp_path / "certificates").ca)


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def test_defaults_are_an_open_broker_here() -> None:
    settings = KafkaSettings.from_environ({})
    assert settings == KafkaSettings()
    assert not list(settings.faults())
    assert settings.arguments() == {"bootstrap_servers": "127.0.0.1:9092", "security_protocol": "PLAINTEXT"}
    assert settings.shown() == {
        "RANKER_KAFKA_BOOTSTRAP": "127.0.0.1:9092",
        "RANKER_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    }


def test_every_variable_arrives_and_is_shown() -> None:
    """Each field has the variable of its name; what is shown sets up the same client."""
    environ = {
        f"RANKER_KAFKA_{name}": f"value-of-{name.lower()}"
        for name in (
            *("BOOTSTRAP", "SECURITY_PROTOCOL", "SASL_MECHANISM", "USERNAME", "PASSWORD_FILE", "TOKEN_FILE"),
            *("CA_FILE", "CERT_FILE", "KEY_FILE", "KEY_PASSWORD_FILE"),
        )
    }
    settings = KafkaSettings.from_environ(environ)
    assert settings.shown() == environ
    assert KafkaSettings.from_environ(settings.shown()) == settings
    assert KafkaSettings.from_environ(dict.fromkeys(environ, "")) == KafkaSettings()


def test_the_documents_name_every_variable() -> None:
    """The reference by its whole name, the pages in both languages by its end."""
    docs = Path(__file__).parents[2] / "docs"
    for each in fields(KafkaSettings):
        assert f"`RANKER_KAFKA_{each.name.upper()}`" in (docs / "reference.md").read_text()
        for page in ("kafka.md", "kafka.fr.md"):
            assert f"_{each.name.upper()}" in (docs / "ways-in" / page).read_text()


def test_what_fits(secret: str, ca: str) -> None:
    """Each protocol with each mechanism."""
    for protocol in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        given: dict[str, Any] = {"security_protocol": protocol, "ca_file": ca if protocol.endswith("SSL") else None}
        if not protocol.startswith("SASL"):
            assert not list(KafkaSettings(**given).faults())
            assert ("ssl_context" in KafkaSettings(**given).arguments()) == protocol.endswith("SSL")
            continue
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            settings = KafkaSettings(**given, sasl_mechanism=mechanism, username="engine", password_file=secret)
            assert not list(settings.faults())
            arguments = settings.arguments()
            assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"].read()) == ("engine", SECRET)
            assert SECRET not in f"{settings!r} {settings.shown()} {arguments}"
        settings = KafkaSettings(**given, sasl_mechanism="OAUTHBEARER", token_file=secret)
        assert not list(settings.faults())
        assert "sasl_plain_password" not in settings.arguments()


LOGIN = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "username": "engine"}
OAUTH = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "OAUTHBEARER"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bootstrap": "kafka"}, "BOOTSTRAP: 'kafka' is not HOST:PORT"),
        ({"bootstrap": "k:9092,"}, "BOOTSTRAP: '' is not HOST:PORT"),
        ({"bootstrap": "kafka://k:9092"}, "BOOTSTRAP: 'kafka://k:9092' is not HOST:PORT"),
        ({"bootstrap": f"u:{SECRET}@k:9092"}, "BOOTSTRAP: '***@k:9092' is not HOST:PORT, without user or password"),
        ({"bootstrap": f"u:{SECRET},x@k:9092"}, "BOOTSTRAP: '***@k:9092' is not HOST:PORT"),
        ({"bootstrap": "k:99999"}, "BOOTSTRAP: 'k:99999' is not HOST:PORT"),
        (
            {"security_protocol": "sasl_ssl"},
            "SECURITY_PROTOCOL: 'sasl_ssl' is unknown; set it to one of PLAINTEXT, SSL,",
        ),
        (
            {"security_protocol": "SASL_SSL"},
            "SASL_MECHANISM: SASL_SSL needs one; set it to one of PLAIN, SCRAM-SHA-256,",
        ),
        ({**LOGIN, "sasl_mechanism": "GSSAPI"}, "SASL_MECHANISM: 'GSSAPI' is unknown; set it to one of PLAIN,"),
        (
            {"sasl_mechanism": "PLAIN"},
            "SASL_MECHANISM: has no effect with RANKER_KAFKA_SECURITY_PROTOCOL PLAINTEXT; change",
        ),
        (
            {"username": "engine"},
            "USERNAME: has no effect with RANKER_KAFKA_SECURITY_PROTOCOL PLAINTEXT; change that, or",
        ),
        ({"password_file": "SECRET"}, "PASSWORD_FILE: has no effect with"),
        ({"token_file": "SECRET"}, "TOKEN_FILE: has no effect with"),
        ({"ca_file": "CA"}, "CA_FILE: has no effect with"),
        (
            {**LOGIN, "password_file": "SECRET", "token_file": "SECRET"},
            (
                "TOKEN_FILE: has no effect with RANKER_KAFKA_SECURITY_PROTOCOL SASL_PLAINTEXT and "
                "RANKER_KAFKA_SASL_MECHANISM PLAIN; change that, or remove this"
            ),
        ),
        ({**OAUTH, "token_file": "SECRET", "password_file": "SECRET"}, "PASSWORD_FILE: has no effect with"),
        (LOGIN, "PASSWORD_FILE: is not set, and RANKER_KAFKA_SASL_MECHANISM PLAIN needs it"),
        (
            {**LOGIN, "username": None, "password_file": "SECRET"},
            "USERNAME: is not set, and RANKER_KAFKA_SASL_MECHANISM",
        ),
        (OAUTH, "TOKEN_FILE: is not set, and RANKER_KAFKA_SASL_MECHANISM OAUTHBEARER needs it"),
        ({**LOGIN, "password_file": "/nowhere"}, "PASSWORD_FILE: cannot be read (No such file or directory);"),
        ({**OAUTH, "token_file": "/nowhere"}, "TOKEN_FILE: cannot be read"),
        ({"security_protocol": "SSL", "ca_file": "/nowhere"}, "CA_FILE: /nowhere cannot be read"),
        (
            {"security_protocol": "SSL", "ca_file": "SECRET"},
            "CA_FILE: SECRET has no certificates in PEM; name the CA's",
        ),
    ],
)
def test_faults(given: dict[str, str | None], said: str, secret: str, ca: str) -> None:
    """One sentence for each, which names the variable and the fix and holds no secret."""
    files = {"SECRET": secret, "CA": ca}
    settings = KafkaSettings(**{name: files.get(value or "", value) for name, value in given.items()})  # type: ignore[arg-type]
    (fault,) = settings.faults()
    assert fault.replace(secret, "SECRET").startswith(f"RANKER_KAFKA_{said}")
    assert SECRET not in f"{fault} {settings!r} {settings.shown()}"


def test_several_faults_at_once(secret: str) -> None:
    settings = KafkaSettings("kafka", "SASL_PLAINTEXT", "PLAIN", ca_file="/nowhere")
    named = [fault.partition(":")[0].removeprefix("RANKER_KAFKA_") for fault in settings.faults()]
    assert named == ["BOOTSTRAP", "CA_FILE", "USERNAME", "PASSWORD_FILE"]


def test_files_that_cannot_be_used_any_more(ca: str) -> None:
    """They were right when the process started; a client that is made later says what is wrong."""
    write(ca, "gone")
    with pytest.raises(KafkaRefusedError, match=r"CA_FILE: .* has no certificates in PEM"):
        KafkaSettings(security_protocol="SSL", ca_file=ca).arguments()


async def test_each_login_has_the_secret_of_that_moment(secret: str) -> None:
    """It is read from the file anew; while there is none, the error says so and may pass."""
    provider = KafkaSettings(**OAUTH, token_file=secret).arguments()["sasl_oauth_token_provider"]
    password = KafkaSettings(**LOGIN, password_file=secret).arguments()["sasl_plain_password"]
    assert (await provider.token(), password.read()) == (SECRET, SECRET)
    write(secret, "another\n")
    assert (await provider.token(), password.read()) == ("another", "another")
    for text, said in (("", "has nothing in it"), (f"{SECRET}\n{SECRET}", "has several lines")):
        write(secret, text)
        with pytest.raises(SecretFileError, match=f"RANKER_KAFKA_TOKEN_FILE: .* {said}") as caught:
            await provider.token()
        assert SECRET not in str(caught.value)
        with pytest.raises(SecretFileError, match=f"RANKER_KAFKA_PASSWORD_FILE: .* {said}"):
            password.read()


async def test_a_reply_to_a_token_is_a_refusal(secret: str) -> None:
    """The client takes every reply for success; a broker that accepts sends an empty one (RFC 7628)."""
    provider = KafkaSettings(**OAUTH, token_file=secret).arguments()["sasl_oauth_token_provider"]
    accepted = OAuthAuthenticator(sasl_oauth_token_provider=provider)
    assert await accepted.step(None)
    assert await accepted.step(b"") is None
    refused = OAuthAuthenticator(sasl_oauth_token_provider=provider)
    await refused.step(None)
    with pytest.raises(SaslAuthenticationFailed):
        await refused.step(b'{"status":"invalid_token"}')
