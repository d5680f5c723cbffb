"""What a failure between a client and Redis means, as a sentence with its fix and without secrets."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

from redis import exceptions

from ranker.connect.tls import handshake_fault

UNREACHABLE: tuple[type[Exception], ...] = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
    exceptions.ClusterError,  # after 16 redirections: a slot is on its way from node to node
    exceptions.TryAgainError,
    exceptions.RedisClusterException,
    exceptions.ReadOnlyError,
    exceptions.MasterDownError,
    OSError,
    TimeoutError,
)
"""Errors that may pass: retry the same command, and report meanwhile that Redis is not available."""

FAILURES: tuple[type[Exception], ...] = (exceptions.RedisError, exceptions.RedisClusterException, OSError)
"""All of the client's errors. TimeoutError is an OSError, and that of a cluster without a node no RedisError."""

SENTINEL = "is a Sentinel; write redis+sentinel://HOST:PORT/NAME in RANKER_REDIS_URL, NAME as it knows the primary"
REPLICA = "the server at this address is a replica; RANKER_REDIS_URL has to lead to the primary"
RULES = "deploy/redis-acl and docs/reference.md have the rules of each role"


def connecting(server: str, error: BaseException, *, has_certificate: bool) -> str | None:
    """What an error of TLS says about `server`; None if it is none."""
    if not isinstance(error, ssl.SSLError):
        return None
    found = handshake_fault(error, f"Redis at {server}", "RANKER_REDIS", has_certificate=has_certificate)
    return found or f"{no_tls(server)} ({error.reason or type(error).__name__})"


def no_tls(server: str) -> str:
    return (
        f"{server} does not answer in TLS; name its TLS port in RANKER_REDIS_URL, or write redis:// for rediss:// there"
    )


def silent(server: str, *, has_tls: bool) -> str:
    """It does not refuse a connection, and says nothing."""
    if has_tls:
        return f"{server} does not answer in TLS in time; see that it is up and this its TLS port, or write redis:"
    return f"{server} does not answer in time; see that it is up, and that RANKER_REDIS_URL names its port"


def no_redis(server: str, *, has_tls: bool) -> str:
    """It ends a connection before its first reply, or that is none of Redis."""
    what = f"{server} closed the connection before any reply of Redis"
    if has_tls:
        return f"{what}; if it is up, name a certificate that it trusts in RANKER_REDIS_CERT_FILE"
    return f"{what}; if it is up and this is its TLS port, write rediss for redis in RANKER_REDIS_URL"


def login(server: str, error: exceptions.AuthenticationError, *, of: str = "") -> str:
    """Why a server refuses a user. `of` is "SENTINEL_" at a Sentinel."""
    user, password = f"RANKER_REDIS_{of}USERNAME", f"RANKER_REDIS_{of}PASSWORD_FILE"
    text = str(error)
    if "without any password configured" in text:
        return f"{server} wants no password of its default user; name the user in {user}, or remove {password}"
    if "Authentication required" in text or "HELLO must be called" in text or "NOAUTH" in text:
        return f"{server} wants a password; set {password}, and {user} if there are users"
    return (
        f"{server} refuses the user or the password ({text}); see that {password} has the password of the user in "
        f"{user} (without one: default), and that this user is on"
    )


def no_database(server: str, error: exceptions.ResponseError) -> str | None:
    """That a server has no database of the address' number; None if the error is another one."""
    if "DB index is out of range" not in str(error) and "SELECT is not allowed" not in str(error):
        return None
    return f"{server} has no database of this number ({error}); write one that it has, such as /0, in RANKER_REDIS_URL"


def described(error: Exception) -> str:
    """The error's sentence; of a Cluster that cannot be reached, that of the last node."""
    if type(error) is exceptions.ClusterError:
        return f"a slot of the Cluster is moving to another node ({error})"
    if not isinstance(error, exceptions.RedisClusterException):
        return str(error) or type(error).__name__
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, exceptions.NoPermissionError):
            return f"{forbidden(at, ['CLUSTER SLOTS'])}; {RULES}"
        if isinstance(at, exceptions.ResponseError):
            return f"its node has no Cluster ({at}); write redis:// for redis+cluster:// in RANKER_REDIS_URL"
        if isinstance(at, (exceptions.ConnectionError, exceptions.TimeoutError)):
            return f"no node of the Cluster can be reached, the last one: {at}"
        at = at.__cause__ or at.__context__
    return str(error)


def forbidden(error: exceptions.ResponseError, command: Sequence[Any]) -> str:
    """Which command, on which key, a user may not run."""
    name, *arguments = [_text(word) for word in command]
    script = name.upper() in ("EVAL", "EVALSHA")
    keys = arguments[2 : 2 + int(arguments[1])] if script and len(arguments) > 1 else arguments
    return f"{' '.join([name.upper(), *keys[:1]])}: {error}"


def _text(word: Any) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
