"""What a failure between a client and Redis means, as a sentence with its fix and without secrets."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

from redis import exceptions

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

_EXPIRED, _NOT_YET, _HOST, _ADDRESS = 10, 9, 62, 64
"""X509_V_ERR_… of OpenSSL."""
_ALERTS = {
    "CERTIFICATE_REQUIRED": "wants a certificate of its clients; set RANKER_REDIS_CERT_FILE and RANKER_REDIS_KEY_FILE",
    "UNKNOWN_CA": "does not know the CA of our certificate; have RANKER_REDIS_CERT_FILE signed by one that it trusts",
    "CERTIFICATE_EXPIRED": "refuses our certificate, which has expired; renew the file of RANKER_REDIS_CERT_FILE",
    "CERTIFICATE": "refuses our certificate; see that RANKER_REDIS_CERT_FILE is of a CA that it trusts",
    "HANDSHAKE_FAILURE": "refuses the TLS handshake; it may want a certificate (RANKER_REDIS_CERT_FILE, _KEY_FILE)",
}
"""What a server says of us, by the end of OpenSSL's reason for the alert."""


def connecting(server: str, error: BaseException) -> str | None:
    """What an error of TLS says about `server`; None if it is none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of Redis at {server} {_certificate(error)}"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").upper()
        for end, says in _ALERTS.items():
            if "ALERT" in reason and reason.endswith(end):
                return f"Redis at {server} {says}"
        return f"{no_tls(server)} ({reason or type(error).__name__})"
    return None


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "has expired; renew it there (or this machine's clock is wrong)"
    if error.verify_code == _NOT_YET:
        return "is not valid yet; see that this machine's clock is right"
    if error.verify_code in (_HOST, _ADDRESS):
        return (
            "is for another host; write a name that it has in RANKER_REDIS_URL, or have it made for this one, too "
            "(in a Cluster, and behind Sentinels, servers give their own names: see docs/ways-in/redis.md)"
        )
    return f"is of a CA that is not known here ({error.verify_message}); name that CA's file in RANKER_REDIS_CA_FILE"


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
