"""How every client reaches Kafka: the addresses, encryption and login, as the environment has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from ranker.connect import secret_file
from ranker.connect.tls import TlsFiles
from ranker.service.endpoints import shown

DEFAULT = "127.0.0.1:9092"
PREFIX = "RANKER_KAFKA"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
TOKEN = "OAUTHBEARER"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", TOKEN)
_BROKER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:,/@?#\[\]]+):([0-9]{1,5})")


@dataclass(frozen=True)
class KafkaSettings:
    """Secrets are in the files that are named here, and nowhere in this object.

    `protocol` is one of PROTOCOLS; `mechanism` one of MECHANISMS if the protocol has SASL. Passwords and certificates are
    read when a client is made, a token and renewed certificates at each of its connections.
    """

    bootstrap: str = DEFAULT
    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password_file: str | None = None
    token_file: str | None = None
    tls: TlsFiles = field(default_factory=TlsFiles)

    @property
    def has_tls(self) -> bool:
        return self.protocol.endswith("SSL")

    @property
    def has_sasl(self) -> bool:
        return self.protocol.startswith("SASL")

    def arguments(self) -> dict[str, Any]:
        """What each client of aiokafka is made with. Raises OSError or ValueError if a file is there no longer."""
        arguments: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.protocol}
        if self.has_tls:
            arguments["ssl_context"] = self.tls.context()
        if self.has_sasl:
            arguments["sasl_mechanism"] = self.mechanism
        if self.has_sasl and self.token_file:
            arguments["sasl_oauth_token_provider"] = _TokenFile(self.token_file)
        elif self.has_sasl and self.password_file:
            arguments["sasl_plain_username"] = self.username
            arguments["sasl_plain_password"] = secret_file.secret(self.password_file)
        return arguments

    def shown(self) -> dict[str, str]:
        """All that is set, by the names of the environment, for printing."""
        named = {
            "SECURITY_PROTOCOL": self.protocol,
            "SASL_MECHANISM": self.mechanism,
            "USERNAME": self.username,
            "PASSWORD_FILE": self.password_file,
            "TOKEN_FILE": self.token_file,
            **self.tls.named(),
        }
        return {f"{PREFIX}_BOOTSTRAP": shown(self.bootstrap)} | {
            f"{PREFIX}_{name}": value for name, value in named.items() if value
        }

    def faults(self) -> Iterator[str]:
        """What is wrong, as sentences that name the variable and the fix."""
        if fault := address_fault(self.bootstrap):
            yield f"{PREFIX}_BOOTSTRAP: {fault}"
        if self.protocol not in PROTOCOLS:
            yield f"{PREFIX}_SECURITY_PROTOCOL: {self.protocol!r} is unknown; set it to one of {', '.join(PROTOCOLS)}"
            return
        if self.mechanism is not None and self.mechanism not in MECHANISMS:
            yield f"{PREFIX}_SASL_MECHANISM: {self.mechanism!r} is unknown; set it to one of {', '.join(MECHANISMS)}"
            return
        if self.has_sasl and self.mechanism is None:
            yield f"{PREFIX}_SECURITY_PROTOCOL: {self.protocol} needs {PREFIX}_SASL_MECHANISM: {', '.join(MECHANISMS)}"
            return
        yield from self._unneeded()
        if self.has_sasl:
            yield from self._login_faults()
        if self.has_tls:
            yield from self.tls.faults(PREFIX)

    def _unneeded(self) -> Iterator[str]:
        """What is set and would have no effect: somebody relies on it."""
        has_password = self.has_sasl and self.mechanism != TOKEN
        for name, value, has_use in (
            ("SASL_MECHANISM", self.mechanism, self.has_sasl),
            ("USERNAME", self.username, has_password),
            ("PASSWORD_FILE", self.password_file, has_password),
            ("TOKEN_FILE", self.token_file, self.has_sasl and self.mechanism == TOKEN),
            *((name, path, self.has_tls) for name, path in self.tls.named().items()),
        ):
            if value and not has_use:
                with_what = f" and {PREFIX}_SASL_MECHANISM {self.mechanism}" if self.has_sasl else ""
                yield (
                    f"{PREFIX}_{name}: has no effect with {PREFIX}_SECURITY_PROTOCOL {self.protocol}{with_what}; "
                    "change that, or remove this"
                )

    def _login_faults(self) -> Iterator[str]:
        required = {"TOKEN_FILE": self.token_file}
        if self.mechanism != TOKEN:
            required = {"USERNAME": self.username, "PASSWORD_FILE": self.password_file}
        for name, value in required.items():
            if not value:
                yield f"{PREFIX}_{name}: is not set, and {PREFIX}_SASL_MECHANISM {self.mechanism} needs it"
            elif name != "USERNAME" and (fault := secret_file.secret_fault(f"{PREFIX}_{name}", value)):
                yield fault


def from_environ(environ: Mapping[str, str]) -> KafkaSettings:
    """The RANKER_KAFKA_… variables, with defaults, unchecked: see KafkaSettings.faults."""

    def value(name: str) -> str | None:
        return environ.get(f"{PREFIX}_{name}") or None

    return KafkaSettings(
        value("BOOTSTRAP") or DEFAULT,
        value("SECURITY_PROTOCOL") or "PLAINTEXT",
        value("SASL_MECHANISM"),
        value("USERNAME"),
        value("PASSWORD_FILE"),
        value("TOKEN_FILE"),
        TlsFiles.from_environ(PREFIX, environ),
    )


def address_fault(bootstrap: str) -> str:
    """Why `bootstrap` is no list of Kafka's addresses, with the fix; "" if it is."""
    for broker in bootstrap.split(","):
        found = _BROKER.fullmatch(broker.strip())
        if found is None or not 0 < int(found[2]) < 65536:
            # Of all of it, since a comma may be a password's.
            named = shown(bootstrap if "@" in bootstrap else broker)
            return f"{named!r} is not HOST:PORT, without user or password; several are separated by commas"
    return ""


class _TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # the client is untyped
    """A token that another program renews in its file: each connection logs in with what the file has then."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def token(self) -> str:
        return secret_file.secret(self._path)
