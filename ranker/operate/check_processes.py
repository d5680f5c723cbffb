"""Findings on processes by their admin ports: whether each answers, is ready, and what its metrics say is wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from ranker import __version__
from ranker.connect.admin_ports import AdminPort, NoAdminPortError, get, resolved
from ranker.operate.findings import Finding, fault, note, ok, with_fix
from ranker.service.runbook import Section

_MOST_SENTENCES = 5


class _Ready(msgspec.Struct):
    ready: bool
    reasons: list[str] = []


_decode = msgspec.json.Decoder(_Ready).decode

Samples = Mapping[str, Sequence[tuple[Mapping[str, str], float]]]
"""Name of a metric to its labels and values."""


class Sign(NamedTuple):
    """A metric by which a process shows that something is wrong: `text` of its labels and value, if `is_bad`.

    `why_not_ready`: /readyz has the reason in words; the metric only says which section is about it.
    """

    metric: str
    section: Section
    why_not_ready: bool
    is_bad: Callable[[float], bool]
    text: str
    fix: str


_ON: Callable[[float], bool] = bool
SIGNS = (
    Sign(
        "ranker_partition_stopped", Section.PARTITION_STOPPED, True, _ON,
        "partition {partition} is stopped: {reason}", "see /readyz, which says what to decide",
    ),
    Sign(
        "ranker_store_full", Section.REDIS_FULL, True, _ON,
        "Redis is out of memory, so views wait", "raise its maxmemory, or drop a generation that nobody needs",
    ),
    Sign(
        "ranker_registry_away", Section.REGISTRY_AWAY, True, _ON,
        "partition {partition} waits for the schema registry", "start it",
    ),
    Sign(
        "ranker_clock_held", Section.CLOCKS_DIFFER, True, _ON,
        "a clock has jumped, and T does not follow it", "run the same time service (NTP) on all machines",
    ),
    Sign(
        "ranker_clock_offset_seconds", Section.CLOCKS_DIFFER, True, lambda value: abs(value) > 2,
        "its clock and Redis' differ by {value:.1f} s: nothing is retired",
        "run the same time service (NTP) on all machines",
    ),
    Sign(
        "ranker_lost_records_total", Section.RECORDS_LOST, False, _ON,
        "{value:,.0f} records were lost to the counts since it started", "see its log; lists are complete again later",
    ),
    Sign(
        "collector_kafka_up", Section.KAFKA_LOST, True, lambda value: value == 0,
        "Kafka does not acknowledge: events go to the disk", "start Kafka",
    ),
    Sign(
        "collector_spool_nearly_full", Section.SPOOL_FILLS, False, _ON,
        "its spool takes 80 % of the limit or more: when that is reached, it answers 503",
        "have Kafka up again, or raise collect.spool_mb",
    ),
)  # fmt: skip


class Process(NamedTuple):
    """What one process says of itself. `role` and `version` are empty if it does not say them."""

    name: str
    role: str
    version: str
    findings: list[Finding]


async def findings(addresses: Iterable[tuple[str, int, bool]]) -> list[Finding]:
    """On every process behind these addresses (host, port, whether TLS), all at once: 15 s at most."""
    named = await asyncio.gather(*(_ports(*address) for address in dict.fromkeys(addresses)))
    found = [one for one in named if isinstance(one, Finding)]
    ports = dict.fromkeys(port for one in named if not isinstance(one, Finding) for port in one)
    processes = await asyncio.gather(*map(process, ports))
    for each in processes:
        found += each.findings
    return [*found, *versions(processes)]


async def _ports(host: str, port: int, tls: bool) -> Finding | list[AdminPort]:
    try:
        return await resolved(host, port, tls=tls)
    except NoAdminPortError as error:
        return with_fix("process", Section.PROCESS_AWAY, f"{host}:{port}: {error}")


async def process(at: AdminPort) -> Process:
    """Asks one process for all three pages."""
    replies = await asyncio.gather(
        *(get(at, f"/{page}") for page in ("healthz", "readyz", "metrics")), return_exceptions=True
    )
    for reply in replies:
        if isinstance(reply, NoAdminPortError):
            return Process(at.name, "", "", [with_fix("process", Section.PROCESS_AWAY, f"{at.name}: {reply}")])
        if isinstance(reply, BaseException):
            raise reply
    (_, _), (ready_status, ready), (metrics_status, metrics) = replies  # type: ignore[misc]  # no exceptions are left
    try:
        state, samples = _decode(ready), _samples(metrics) if metrics_status == 200 else {}
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        state, samples = None, {}
    if state is None or ready_status not in (200, 503) or not samples:
        text = f"{at.name}: what answers is no admin port of ours (/readyz {ready_status}, /metrics {metrics_status})"
        return Process(at.name, "", "", [fault("process", Section.PROCESS_AWAY, text, "give the one of --admin-port")])
    role, version = _build(samples)
    signs = [
        (sign, labels, value) for sign in SIGNS for labels, value in samples.get(sign.metric, ()) if sign.is_bad(value)
    ]
    found = [] if state.ready else [_not_ready(at.name, role, state.reasons, [sign for sign, _, _ in signs])]
    for sign, labels, value in signs:
        if not (sign.why_not_ready and found):
            text = sign.text.format(**{"partition": "?", "reason": "?", **labels, "value": value})
            found.append((note if state.ready else fault)("process", sign.section, f"{at.name}: {text}", sign.fix))
    said = f"{role or 'process'} {version}".rstrip()
    return Process(at.name, role, version, found or [ok("process", f"{at.name}: {said}, ready")])


def _not_ready(name: str, role: str, reasons: Sequence[str], signs: Sequence[Sign]) -> Finding:
    """One fault with all its sentences; the metric that is bad says which section is about it."""
    shown = "; ".join(reasons[:_MOST_SENTENCES]) or "it does not say why"
    if len(reasons) > _MOST_SENTENCES:
        shown += f"; and {len(reasons) - _MOST_SENTENCES} more reasons"
    section = next((sign.section for sign in signs if sign.why_not_ready), _OF_ROLE.get(role, Section.PROCESS_AWAY))
    text = f"{name}: {role or 'process'} is not ready: {shown}"
    return fault(
        "process", section, text, "wait half a minute if it has just started; else see docs/runbook.md and its log"
    )


_OF_ROLE = {
    "consume": Section.CONSUMERS_BEHIND,
    "serve": Section.LISTS_NOT_ANSWERED,
    "collect": Section.COLLECTOR_REFUSES,
}


def versions(processes: Sequence[Process]) -> list[Finding]:
    """Whether all run the version of this command."""
    numbers = Counter(one.version for one in processes if one.version)
    if not numbers or set(numbers) == {__version__}:
        return []
    named = ", ".join(f"{version} ({number})" for version, number in sorted(numbers.items()))
    text = f"the processes run {named}, this command is {__version__}"
    return [note("versions", Section.UPGRADE, text, "finish the upgrade, or the way back")]


def _samples(page: bytes) -> Samples:
    """Raises ValueError if it is no page of metrics."""
    found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def _build(samples: Samples) -> tuple[str, str]:
    for name in ("ranker_build_info", "collector_build_info"):
        for labels, _ in samples.get(name, ()):
            return labels.get("role", ""), labels.get("version", "")
    return "", ""
