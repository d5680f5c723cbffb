"""How every client reaches Kafka: the addresses, encryption and login, as the environment has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ranker.connect import secret_file
from ranker.connect.kafka_connections import SecretFile
from ranker.connect.server_settings import ServerSettings
from ranker.connect.tls import TlsFileError
from ranker.service.endpoints import shown

DEFAULT = "127.0.0.1:9092"
PREFIX = "RANKER_KAFKA"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
OAUTH = "OAUTHBEARER"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTH)
_PROTOCOL, _MECHANISM = f"{PREFIX}_SECURITY_PROTOCOL", f"{PREFIX}_SASL_MECHANISM"
_BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,/@?#\[\]]+):([0-9]{1,5})")


class KafkaRefusedError(Exception):
    """Kafka does not let us in, and will not if the same is tried again: the message says what to change."""


@dataclass(frozen=True)
class KafkaSettings(ServerSettings):
    """Secrets are in the files that are named here, and nowhere in this object.

    `bootstrap` is HOST:PORT, several separated by commas; `security_protocol` one of PROTOCOLS, `sasl_mechanism` one of
    MECHANISMS if the protocol has SASL; files are PEM, or hold one secret. Each connection of a client is made with
    what the files have then.
    """

    PREFIX: ClassVar[str] = PREFIX
    ADDRESS: ClassVar[str] = "bootstrap"

    bootstrap: str = field(default=DEFAULT, repr=False)  # unchecked, it may hold a password
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    username: str | None = None
    password_file: str | None = field(default=None, repr=False)  # somebody may have written the password itself there
    token_file: str | None = field(default=None, repr=False)

    @property
    def has_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def has_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")

    def arguments(self) -> dict[str, Any]:
        """What each client of aiokafka is made with. Raises KafkaRefusedError if a file cannot be used any more."""
        try:
            return self._arguments()
        except (OSError, TlsFileError) as error:
            raise KafkaRefusedError(f"a file that {PREFIX}_… names cannot be used: {error}") from error

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.security_protocol}
        if self.has_tls:
            arguments["ssl_context"] = self.tls.context()
        if self.has_sasl:
            arguments["sasl_mechanism"] = self.sasl_mechanism
        if self.has_sasl and self.token_file:
            arguments["sasl_oauth_token_provider"] = SecretFile(f"{PREFIX}_TOKEN_FILE", self.token_file)
        elif self.has_sasl and self.password_file:
            arguments["sasl_plain_username"] = self.username
            arguments["sasl_plain_password"] = SecretFile(f"{PREFIX}_PASSWORD_FILE", self.password_file)
        return arguments

    def no_topic(self, topic: str, operation: str = "Read") -> str:
        """That a topic is not among those that this client sees, with the fix."""
        if self.security_protocol == "PLAINTEXT":
            return f"topic {topic} does not exist; create it with `ranker topics apply`"
        return (
            f"topic {topic} does not exist, or this user may not see it; create it with `ranker topics apply`, or "
            f"{grant(f'{operation} on topic {topic}')}"
        )

    def faults(self) -> Iterator[str]:
        """What is wrong, as sentences that name the variable and the fix."""
        if fault := address_fault(self.bootstrap):
            yield f"{PREFIX}_BOOTSTRAP: {fault}"
        if self.security_protocol not in PROTOCOLS:
            yield f"{_PROTOCOL}: {self.security_protocol!r} is unknown; set it to one of {', '.join(PROTOCOLS)}"
            return
        if self.sasl_mechanism is not None and self.sasl_mechanism not in MECHANISMS:
            yield f"{_MECHANISM}: {self.sasl_mechanism!r} is unknown; set it to one of {', '.join(MECHANISMS)}"
            return
        if self.has_sasl and self.sasl_mechanism is None:
            yield f"{_MECHANISM}: {self.security_protocol} needs one; set it to one of {', '.join(MECHANISMS)}"
            return
        yield from self._unneeded()
        if self.has_sasl:
            yield from self._login_faults()
        if self.has_tls:
            yield from self.tls.faults(PREFIX)

    def _unneeded(self) -> Iterator[str]:
        """What is set and would have no effect: somebody relies on it."""
        has_password = self.has_sasl and self.sasl_mechanism != OAUTH
        for name, value, has_use in (
            ("SASL_MECHANISM", self.sasl_mechanism, self.has_sasl),
            ("USERNAME", self.username, has_password),
            ("PASSWORD_FILE", self.password_file, has_password),
            ("TOKEN_FILE", self.token_file, self.has_sasl and self.sasl_mechanism == OAUTH),
            *((name, path, self.has_tls) for name, path in self.tls.named().items()),
        ):
            if value and not has_use:
                with_what = f" and {_MECHANISM} {self.sasl_mechanism}" if self.has_sasl else ""
                yield (
                    f"{PREFIX}_{name}: has no effect with {_PROTOCOL} {self.security_protocol}{with_what}; "
                    "change that, or remove this"
                )

    def _login_faults(self) -> Iterator[str]:
        required = {"TOKEN_FILE": self.token_file}
        if self.sasl_mechanism != OAUTH:
            required = {"USERNAME": self.username, "PASSWORD_FILE": self.password_file}
        for name, value in required.items():
            if not value:
                yield f"{PREFIX}_{name}: is not set, and {_MECHANISM} {self.sasl_mechanism} needs it"
            elif name != "USERNAME" and (fault := secret_file.secret_fault(f"{PREFIX}_{name}", value)):
                yield fault


def grant(right: str) -> str:
    """What to do if a right such as "Read on topic page-views" is missing."""
    return f"grant {right} (deploy/kafka-acls.sh has the rights of each role)"


def address_fault(bootstrap: str) -> str:
    """Why `bootstrap` is no list of Kafka's addresses, with the fix; "" if it is."""
    for broker in bootstrap.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if found is None or not 0 < int(found[2]) < 65536:
            # Of all of it, since a comma may be a password's.
            named = shown(bootstrap if "@" in bootstrap else broker)
            return f"{named!r} is not HOST:PORT, without user or password; several are separated by commas"
    return ""
