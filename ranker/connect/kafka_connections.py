"""Connections of Kafka's client as they have to be: secrets of the moment, refused tokens, an end of TLS in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.errors import SaslAuthenticationFailed

from ranker.connect import secret_file


class SecretFileError(OSError):
    """There is no secret to log in with just now. The client takes it for a broker that is away: it tries again."""


class SecretFile(AbstractTokenProvider):  # type: ignore[misc]  # the client is untyped
    """A secret that another program renews in its file: each connection logs in with what the file has then.

    The client takes it for a token's provider, and for a password.
    """

    def __init__(self, variable: str, path: str) -> None:
        self._variable = variable
        self._path = path

    def read(self) -> str:
        """What the file has now. Raises SecretFileError."""
        if fault := secret_file.secret_fault(self._variable, self._path):
            raise SecretFileError(fault)
        return secret_file.secret(self._path)

    async def token(self) -> str:
        return self.read()


_authenticators = {name: getattr(AIOKafkaConnection, name) for name in ("authenticator_plain", "authenticator_scram")}
_step = OAuthAuthenticator.step
_close = AIOKafkaConnection.close


def _reading(name: str) -> Callable[[Any], Any]:
    def authenticator(connection: Any) -> Any:
        if isinstance(given := connection._sasl_plain_password, SecretFile):  # noqa: SLF001  # no other way
            connection._sasl_plain_password = given.read()  # noqa: SLF001  # that of this connection alone
        return _authenticators[name](connection)

    return authenticator


async def _step_or_refused(authenticator: Any, reply: bytes | None) -> Any:
    """As the client's own, which takes every reply to a token for success (RFC 7628: only an empty one is)."""
    if reply:
        raise SaslAuthenticationFailed("the token is refused")
    return await _step(authenticator, reply)


def _close_at_once(connection: Any, reason: Any = None, exc: BaseException | None = None) -> Any:
    """As the client's own, which waits for the broker's end of TLS: 30 s if a reply is arriving that nobody reads."""
    writer, ended = connection._writer, _close(connection, reason, exc)  # noqa: SLF001  # no other way
    if writer is not None and connection._ssl_context is not None:  # noqa: SLF001  # as above
        writer.transport.abort()
    return ended


for _name in _authenticators:
    setattr(AIOKafkaConnection, _name, _reading(_name))
OAuthAuthenticator.step = _step_or_refused
AIOKafkaConnection.close = _close_at_once
