"""Starts Kafka's clients, and finds out why one does not start: the client itself only logs it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from ranker.connect.kafka import PREFIX, KafkaRefusedError, KafkaSettings
from ranker.connect.kafka_connections import SecretFileError
from ranker.connect.tls import handshake_fault

SLOW_S = 4.0
"""A client that takes longer is looked into while it goes on."""
LONGEST_S = 8.0
"""One that has a fault by then does not start. (The client itself may wait for 40 s, for each address.)"""
REPLY_MS = 3_000
_TLS_ALERT = 0x15
_MOST_BROKERS = 10
_Place: TypeAlias = tuple[str, int]

# Its debug messages hold passwords.
logging.getLogger("aiokafka.conn").addFilter(lambda record: record.levelno > logging.DEBUG)


class _Fault(NamedTuple):
    sentence: str
    may_pass: bool


async def start(client: Any, kafka: KafkaSettings) -> None:
    """The client's own `start`. Raises KafkaRefusedError, or ConnectionError with the reason.

    A client that was not started has to be stopped all the same.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + LONGEST_S
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.wait([starting], timeout=SLOW_S)
        if not _is_up(starting) and (fault := await find_fault(kafka)) is not None:
            if not fault.may_pass:
                raise KafkaRefusedError(fault.sentence)
            await asyncio.wait([starting], timeout=max(0.0, until_s - loop.time()))
            if not _is_up(starting):
                raise ConnectionError(fault.sentence)
        await starting
    finally:
        if not starting.done():
            starting.cancel()
            await asyncio.wait([starting])


def _is_up(starting: asyncio.Future[None]) -> bool:
    return starting.done() and starting.exception() is None


async def find_fault(kafka: KafkaSettings) -> _Fault | None:
    """Why none of the addresses lets us in, or a broker that they name does not; None if all is well.

    Takes 9 s at most. Raises KafkaRefusedError.
    """
    places = [(host, port) for host, port, _ in collect_hosts(kafka.bootstrap, randomize=False)]
    found = await _look_at(kafka, places, 2 * REPLY_MS)
    brokers = {broker for named in found if not isinstance(named, _Fault) for broker in named}
    faults = [fault for fault in found if isinstance(fault, _Fault)]
    if len(faults) == len(found):
        return min(faults, key=lambda fault: fault.may_pass)  # of several, one that says what to change
    for fault in await _look_at(kafka, sorted(brokers - set(places))[:_MOST_BROKERS], REPLY_MS):
        if isinstance(fault, _Fault):
            what = "Kafka is reached, but not the broker that it names by advertised.listeners"
            return _Fault(f"{what}: {fault.sentence}", may_pass=True)
    return None


async def _look_at(kafka: KafkaSettings, places: Iterable[_Place], limit_ms: int) -> list[_Fault | list[_Place]]:
    return await asyncio.gather(*(_brokers_or_fault(kafka, host, port, limit_ms) for host, port in places))


async def _brokers_or_fault(kafka: KafkaSettings, host: str, port: int, limit_ms: int) -> _Fault | list[_Place]:
    """The brokers that the one at this address names."""
    arguments = kafka.arguments()
    del arguments["bootstrap_servers"]
    try:
        async with asyncio.timeout(limit_ms / 1000):  # the handshake of TLS has a longer limit of its own
            connection = await create_conn(host, port, request_timeout_ms=REPLY_MS, **arguments)
            try:
                reply = await connection.send(MetadataRequest([]))
            finally:
                connection.close()
    except (OSError, errors.KafkaError, ValueError, AssertionError) as error:
        return _explained(error, f"{host}:{port}", kafka)
    return [(broker[1], broker[2]) for broker in reply.brokers]


def _explained(error: BaseException, place: str, kafka: KafkaSettings) -> _Fault:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, SecretFileError):
            return _Fault(str(cause), may_pass=True)
        if isinstance(cause, ssl.SSLError) and (said := _of_tls(cause, place, kafka)):
            return _Fault(said, may_pass=False)
        if isinstance(cause, errors.UnsupportedSaslMechanismError):
            return _Fault(
                f"Kafka at {place} does not take {kafka.sasl_mechanism} on this port; set {PREFIX}_SASL_MECHANISM to "
                "one of the broker's sasl.enabled.mechanisms",
                may_pass=False,
            )
        if isinstance(cause, errors.IllegalSaslStateError):
            instead = kafka.security_protocol.removeprefix("SASL_")
            return _Fault(
                f"Kafka at {place} takes no login on this port; use the one that does, or set "
                f"{PREFIX}_SECURITY_PROTOCOL to {instead}",
                may_pass=False,
            )
        if isinstance(cause, (errors.SaslAuthenticationFailed, errors.AuthenticationFailedError)):
            return _Fault(_login(place, kafka), may_pass=False)
    if isinstance(error, TimeoutError):
        return _Fault(f"Kafka at {place} does not answer within {REPLY_MS // 1000} s", may_pass=True)
    closed = (ssl.SSLError, ConnectionResetError, BrokenPipeError, asyncio.IncompleteReadError)
    if any(isinstance(cause, closed) for cause in causes):
        return _Fault(_protocol(causes, place, kafka), may_pass=True)  # a broker that starts may end connections too
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return _Fault(f"no connection to {place} ({why}); start Kafka there, or correct {PREFIX}_BOOTSTRAP", may_pass=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _of_tls(error: ssl.SSLError, place: str, kafka: KafkaSettings) -> str | None:
    return handshake_fault(error, f"Kafka at {place}", PREFIX, has_certificate=kafka.tls.cert_file is not None)


def _login(place: str, kafka: KafkaSettings) -> str:
    if kafka.token_file:
        return f"Kafka at {place} refuses the token in {PREFIX}_TOKEN_FILE; let the program that writes it renew it"
    return (
        f"Kafka at {place} refuses user {kafka.username!r} or the password; correct {PREFIX}_USERNAME, or what "
        f"{PREFIX}_PASSWORD_FILE holds"
    )


def _protocol(causes: list[BaseException], place: str, kafka: KafkaSettings) -> str:
    """The broker ends the connection as soon as we speak: it expects another protocol."""
    variable = f"{PREFIX}_SECURITY_PROTOCOL"
    for cause in causes:
        # The client takes the alert with which TLS refuses it (0x15) for the length of a reply.
        if isinstance(cause, asyncio.IncompleteReadError) and (cause.expected or 0) >> 24 == _TLS_ALERT:
            instead = "SASL_SSL" if kafka.has_sasl else "SSL or SASL_SSL"
            return f"Kafka at {place} expects TLS on this port; set {variable} to {instead}"
    if kafka.has_tls and not any(isinstance(cause, errors.KafkaError) for cause in causes):
        instead = kafka.security_protocol.replace("SSL", "PLAINTEXT")
        return (
            f"Kafka at {place} ends the connection: it has no TLS on this port, or is not up; use the port that has, "
            f"or, if nobody can listen, set {variable} to {instead}"
        )
    if not kafka.has_sasl:
        return (
            f"Kafka at {place} ends the connection: it requires a login on this port, or is not up; set {variable} to "
            f"SASL_{kafka.security_protocol}, or start it"
        )
    return f"Kafka at {place} ends the connection; set {variable} ({kafka.security_protocol}) to what this port expects"
