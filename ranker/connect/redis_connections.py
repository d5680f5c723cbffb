"""Connections of redis-py that keep what we promise: cancellable, to the primary, with sentences for errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from redis import exceptions
from redis.asyncio.connection import AbstractConnection, Connection
from redis.credentials import CredentialProvider

from ranker.connect import redis_errors, secret_file
from ranker.connect.redis_errors import REPLICA, SENTINEL
from ranker.connect.redis_sentinels import Sentinels

ROLE_EVERY_S = 2.0
"""How often a connection in use checks that its server is still the primary."""


class FileLogin(CredentialProvider):
    """A password that another program renews in its file: each connection logs in with what the file has then."""

    def __init__(self, variable: str, path: str, username: str | None) -> None:
        self._variable, self._path, self._username = variable, path, username

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        if fault := secret_file.secret_fault(self._variable, self._path):
            raise exceptions.ConnectionError(fault)
        password = secret_file.secret(self._path)
        return (self._username, password) if self._username else (password,)


class Cancellable(AbstractConnection):
    """A connection that never loses a cancellation, and whose errors say what to do.

    redis-py sends under asyncio.wait_for, which before Python 3.12 can swallow the cancellation of the sending task: a
    worker that was cancelled once would run for ever. asyncio.timeout cannot, and needs no task per command.
    """

    has_tls = False
    has_certificate = False
    login_of = ""
    """Which variables have the login: "SENTINEL_" at a Sentinel."""
    _has_replied = False

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if not self.is_connected:
            self._has_replied = False
        try:
            await super().connect_check_health(check_health, retry_socket_connect)
        except exceptions.TimeoutError as error:
            said = redis_errors.silent(self._host_error(), has_tls=self.has_tls)
            raise exceptions.TimeoutError(said) from error

    def _error_message(self, exception: BaseException) -> str:
        return self._of_tls(exception) or super()._error_message(exception)

    def _of_tls(self, error: BaseException) -> str | None:
        return redis_errors.connecting(self._host_error(), error, has_certificate=self.has_certificate)

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        limit_s = self.socket_timeout
        self.socket_timeout = None  # makes redis-py send without wait_for
        try:
            async with asyncio.timeout(limit_s):
                await super().send_packed_command(command, check_health)
        except TimeoutError as error:
            raise exceptions.TimeoutError("Timeout writing to socket") from error
        finally:
            self.socket_timeout = limit_s

    async def read_response(self, *args: Any, **options: Any) -> Any:
        server = self._host_error()
        try:
            reply = await super().read_response(*args, **options)
        except exceptions.AuthenticationError as error:
            raise exceptions.AuthenticationError(redis_errors.login(server, error, of=self.login_of)) from error
        except (exceptions.InvalidResponse, exceptions.ConnectionError) as error:
            said = self._of_tls(error.__context__) if error.__context__ else None
            if said is None and not self._has_replied:
                said = redis_errors.no_redis(server, has_tls=self.has_tls)
            if said is None:
                raise
            raise exceptions.ConnectionError(said) from error
        except exceptions.ResponseError as error:
            self._has_replied = True
            if said := redis_errors.no_database(server, error):
                raise exceptions.ConnectionError(said) from error
            raise
        self._has_replied = True
        return reply


class ByTls(Connection):
    """A connection whose context takes renewed files by itself."""

    tls_context: ssl.SSLContext

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self.tls_context}


class ToPrimary(Cancellable):
    """A connection that ends when its server becomes a replica, so that the next one finds the primary.

    After a planned switch the old primary keeps its connections: it would refuse every write for ever, and answer reads
    from a copy. Nodes of a cluster reply MOVED instead.
    """

    _role_due_s = 0.0

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)
        await self._check_role()

    async def check_health(self) -> None:
        """In place of the client's own PING, which a busy connection never sends."""
        if asyncio.get_running_loop().time() >= self._role_due_s:
            await self.retry.call_with_retry(self._check_role, lambda _: self.disconnect())

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except (exceptions.ReadOnlyError, exceptions.MasterDownError) as error:
            await self.disconnect()
            raise exceptions.ConnectionError(f"{REPLICA} ({error})") from error

    async def _check_role(self) -> None:
        """By HELLO: every user may send it, and a server that loads its data answers it too."""
        await self.send_command("HELLO", check_health=False)
        try:
            reply = await self.read_response()
        except exceptions.ResponseError:  # forbidden by an ACL, or unknown to a proxy: only writes will show the role
            reply = ()
        if isinstance(reply, Sequence):  # a proxy may answer with the map of protocol 3
            reply = dict(zip(reply[::2], reply[1::2], strict=False))
        if isinstance(reply, dict) and reply.get(b"mode") == b"sentinel":
            raise exceptions.ConnectionError(f"{self._host_error()} {SENTINEL}")
        if isinstance(reply, dict) and reply.get(b"role") in (b"replica", b"slave"):
            raise exceptions.ConnectionError(REPLICA)
        self._role_due_s = asyncio.get_running_loop().time() + ROLE_EVERY_S


class BySentinel(ToPrimary, Connection):
    """A connection to the server that the Sentinels call the primary when it is made."""

    sentinels: Sentinels

    async def _connect(self) -> None:
        self.host, self.port = await self.sentinels.primary()
        await super()._connect()  # type: ignore[no-untyped-call]

    async def check_health(self) -> None:
        """Leaves a server as soon as another connection was led to another one: it may believe that it is primary."""
        if self.sentinels.last not in (None, (self.host, self.port)):
            await self.disconnect()
            await self.connect()  # type: ignore[no-untyped-call]
        await super().check_health()


def connection_class(bases: Iterable[type[Any]], **attributes: Any) -> type[Any]:
    """A class of these, the first of which goes before the others."""
    listed = tuple(bases)
    return type(listed[-1].__name__, listed, attributes)
