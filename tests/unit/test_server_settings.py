"""What the settings of Kafka, Redis and the schema registry have alike."""

import pytest

from ranker.connect.kafka import KafkaSettings
from ranker.connect.redis_settings import RedisSettings
from ranker.connect.registry import RegistrySettings
from ranker.connect.server_settings import ServerSettings
from ranker.connect.tls import TlsFiles

KINDS = [(KafkaSettings, "BOOTSTRAP"), (RedisSettings, "URL"), (RegistrySettings, "URL")]


@pytest.mark.parametrize(("kind", "address"), KINDS)
def test_from_the_environment_and_back(kind: type[ServerSettings], address: str) -> None:
    """By their prefix; an empty value is none; what is printed has no password and no key that was written there."""
    files = {"CA_FILE": "/ca", "CERT_FILE": "/cert", "KEY_FILE": "/hush-key", "KEY_PASSWORD_FILE": "/hush"}
    given = {f"{kind.PREFIX}_{name}": value for name, value in files.items()}
    environ = given | {
        f"{kind.PREFIX}_{address}": "x://u:hush@h:1",
        f"{kind.PREFIX}_USERNAME": "",
        "OTHER_CA_FILE": "/x",
    }
    found = kind.from_environ(environ)
    assert found.tls == TlsFiles("/ca", "/cert", "/hush-key", "/hush")
    assert found.shown() == kind().shown() | given | {f"{kind.PREFIX}_{address}": "***://***@h:1"}
    assert "hush-key" not in repr(found)
    assert kind.from_environ({}) == kind()
