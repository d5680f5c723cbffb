"""`ranker check --admin`: what it makes of what answers there, and of what does not."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from prometheus_client import CollectorRegistry, Gauge, Info

from deploy.local.ports import free_port
from producers.collector.metrics import CollectorMetrics
from ranker import __version__
from ranker.connect.admin_ports import AdminPort, parsed
from ranker.metrics import ConsumerMetrics, ReaderMetrics, new_registry
from ranker.operate.check_processes import SIGNS, findings
from ranker.operate.findings import Finding
from ranker.service import admin
from ranker.service.runbook import Section

HOST = "127.0.0.1"
Fill = Callable[[ConsumerMetrics], object]


async def of(*ports: int, host: str = HOST, tls: bool = False) -> list[Finding]:
    return await findings([(host, port, tls) for port in ports])


async def of_consumer(fill: Fill = lambda _: None, reasons: Sequence[str] = ()) -> list[Finding]:
    registry = new_registry()
    fill(ConsumerMetrics(registry, ["view"]))
    async with admin.serving(HOST, 0, registry, lambda: reasons) as port:
        return await of(port)


async def test_a_process_that_is_ready() -> None:
    """Its role and version, and nothing else."""
    (found,) = await of_consumer()
    assert found.kind == "ok"
    assert re.fullmatch(rf"127\.0\.0\.1:\d+: consume {re.escape(__version__)}, ready", found.text)


def stop(metrics: ConsumerMetrics) -> None:
    metrics.partition_stopped.labels(3, "bad_records").set(1)


@pytest.mark.parametrize(
    ("fill", "section"),
    [
        (lambda _: None, Section.CONSUMERS_BEHIND),
        (stop, Section.PARTITION_STOPPED),
        (lambda metrics: metrics.clock_held.set(1), Section.CLOCKS_DIFFER),
        (lambda metrics: metrics.clock_offset_seconds.set(-2.5), Section.CLOCKS_DIFFER),
        (lambda metrics: metrics.registry_away.labels(1).set(1), Section.REGISTRY_AWAY),
    ],
)
async def test_one_that_is_not_ready_is_one_fault(fill: Fill, section: Section) -> None:
    """With its own sentences; the section is that of the metric which is bad, else of its role."""
    (found,) = await of_consumer(fill, ["partition 3 is stopped: see it", *(f"reason {n}" for n in range(7))])
    assert (found.kind, found.runbook) == ("fault", section)
    assert "consume is not ready: partition 3 is stopped: see it; reason 0" in found.text
    assert found.text.endswith("; and 3 more reasons")


@pytest.mark.parametrize(
    ("host", "host_field", "name"),
    [
        ("127.0.0.1", "127.0.0.1:9", "127.0.0.1:9"),
        ("::1", "[::1]:9", "[::1]:9"),
        ("ranker", "ranker:9", "ranker:9 (::1)"),
    ],
)
def test_how_a_process_is_named(host: str, host_field: str, name: str) -> None:
    """As in a URL; a name with its address."""
    at = AdminPort(host, "::1" if host == "ranker" else host, 9, tls=False)
    assert (at.authority, at.name) == (host_field, name)


async def test_what_a_ready_process_should_tell() -> None:
    """A metric that is bad is a note, with its labels."""

    def fill(metrics: ConsumerMetrics) -> None:
        stop(metrics)
        metrics.lost_records.inc(1_500)

    found = await of_consumer(fill)
    assert [(one.kind, one.runbook) for one in found] == [
        ("note", Section.PARTITION_STOPPED),
        ("note", Section.RECORDS_LOST),
    ]
    assert "partition 3 is stopped: bad_records" in found[0].text
    assert "1,500 records were lost" in found[1].text


async def test_a_collector() -> None:
    """Kafka away, and a spool that fills."""
    registry = new_registry()
    metrics = CollectorMetrics(registry)
    metrics.kafka_up.set(0)
    metrics.spool_nearly_full.set(1)
    async with admin.serving(HOST, 0, registry, list) as port:
        found = [one for one in await of(port) if one.subject == "process"]
    assert [(one.kind, one.runbook) for one in found] == [("note", Section.KAFKA_LOST), ("note", Section.SPOOL_FILLS)]


def test_the_signs_are_metrics_that_there_are() -> None:
    """A metric that is renamed has to be renamed here, too."""
    there = set()
    for make in (lambda one: ConsumerMetrics(one, []), ReaderMetrics, CollectorMetrics):
        registry = CollectorRegistry()
        make(registry)
        there |= {name for family in registry.collect() for name in (family.name, f"{family.name}_total")}
    assert {sign.metric for sign in SIGNS} <= there


async def test_versions_that_differ_are_a_note() -> None:
    """Two processes, one of another version: how many of which."""
    async with contextlib.AsyncExitStack() as stack:
        ports = []
        for version in (__version__, "9.9.9"):
            registry = CollectorRegistry()
            Info("ranker_build", "", registry=registry).info({"role": "serve", "version": version})
            ports.append(await stack.enter_async_context(admin.serving(HOST, 0, registry, list)))
        found = await of(*ports)
    (note,) = [one for one in found if one.subject == "versions"]
    assert note.runbook == Section.UPGRADE
    assert f"{__version__} (1), 9.9.9 (1)" in note.text


@contextlib.asynccontextmanager
async def answering(reply: bytes, *, ends: bool = True) -> AsyncIterator[int]:
    """A server that replies so to everything, and then ends the connection or not."""
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        with contextlib.suppress(ConnectionError):
            writer.write(reply)
            await writer.drain()
            if not ends:
                await over.wait()
        writer.transport.abort() if not ends else writer.close()

    async with await asyncio.start_server(answer, HOST, 0) as server:
        yield server.sockets[0].getsockname()[1]
        over.set()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (b"-ERR unknown command 'GET'\r\n", "what answers speaks no HTTP"),
        (b"", "what answers speaks no HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "what answers speaks no HTTP"),
        (OK + b"<html>a page of somebody</html>", "is no admin port of ours (/readyz 200, /metrics 200)"),
        (OK + b'{"ready":true,"reasons":[]}', "is no admin port of ours"),
        (OK + b'{"ready":"yes"}', "is no admin port of ours"),
        (OK + b"\xff\xfe", "is no admin port of ours"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "is no admin port of ours (/readyz 404, /metrics 404)"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "is no admin port of ours"),
        (OK + b"x" * (5 << 20), "more than 4 MiB came"),
    ],
)
async def test_what_is_no_admin_port_is_one_fault(reply: bytes, text: str) -> None:
    """Whatever it sends: one finding that says so, and what to give instead."""
    async with answering(reply) as port:
        (found,) = await of(port)
    assert (found.kind, found.runbook) == ("fault", Section.PROCESS_AWAY)
    assert text in found.text
    assert "--admin-port" in found.fix


async def test_nobody_there_and_names_that_do_not_exist() -> None:
    """Each is one fault with the address."""
    port = free_port()
    (refused,) = await of(port)
    assert refused.text.startswith(f"127.0.0.1:{port}: no connection")
    (unknown,) = await of(port, host="no-such-host.invalid")
    assert "the name no-such-host.invalid is not known here" in unknown.text


async def test_tls_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fix is http://, whether it waits for more or replies in plain text."""
    monkeypatch.setattr("ranker.connect.admin_ports.ANSWER_S", 1)
    async with admin.serving(HOST, 0, new_registry(), list) as silent, answering(OK) as plain:
        found = await of(silent, plain, tls=True)
    assert ["http://" in one.fix for one in found] == [True, True]


async def test_what_hangs_costs_five_seconds_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once, and one that ends no reply: none waits for another."""
    monkeypatch.setattr("ranker.connect.admin_ports.ANSWER_S", 0.3)
    async with answering(b"HTTP/1.1 200 OK\r\n", ends=False) as slow, answering(OK, ends=False) as endless:
        began_s = time.monotonic()
        found = await of(slow, endless)
        assert time.monotonic() - began_s < 3
    assert [one.kind for one in found] == ["fault", "fault"]
    assert all("no answer within" in one.text for one in found)


async def test_every_address_of_a_name_is_asked() -> None:
    """A name with two addresses: two processes, told apart by their addresses."""
    registry = CollectorRegistry()
    Gauge("ranker_lists", "", registry=registry).set(1)
    async with admin.serving(HOST, 0, registry, list) as port:
        loop = asyncio.get_running_loop()

        async def both(host: str, port: int, **_: object) -> list[object]:
            return [(0, 0, 0, "", (address, port)) for address in (HOST, "127.0.0.2", HOST)]

        loop.getaddrinfo = both  # type: ignore[method-assign, assignment]
        found = await of(port, host="ranker-serve")
    assert sorted(one.text.partition("): ")[0] for one in found) == [
        f"ranker-serve:{port} (127.0.0.1",
        f"ranker-serve:{port} (127.0.0.2",
    ]


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("10.0.0.7:9101", ("10.0.0.7", 9101, False)),
        ("http://ranker:9101/", ("ranker", 9101, False)),
        ("https://ranker:9101", ("ranker", 9101, True)),
        ("[::1]:9101", ("::1", 9101, False)),
    ],
)
def test_addresses(address: str, meant: tuple[str, int, bool]) -> None:
    assert parsed(address) == meant


@pytest.mark.parametrize(
    "address",
    ["", "ranker", ":9101", "ranker:0", "ranker:x", "ftp://ranker:1", "http://u:s3cret@ranker:1", "a:1/metrics"],
)
def test_what_is_no_address(address: str) -> None:
    """A sentence, without what may be a password."""
    with pytest.raises(ValueError, match=r"is not HOST:PORT, http://HOST:PORT") as raised:
        parsed(address)
    assert "s3cret" not in str(raised.value)
