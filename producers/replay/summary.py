"""What became of the lines of a replay: counts by reason, the first faults, and the files that were not understood."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from producers import agents
from producers.replay import formats
from producers.replay.malformed import Malformed
from ranker.service.printable import printable

REASONS = ("malformed", "method", "status", "pattern", "bot", "future")
"""Why a line is not sent; a line that fails in several ways counts under the first."""

SHOWN_FAULTS = 10
_LONGEST_REASON = 600
_MAX_HOSTS = 100
_SAMPLED = 100
"""Lines of a file that are compared with other formats."""


class Fault(NamedTuple):
    """A line that cannot be an event, by one of REASONS; `text` is a sentence. `usual` as in Malformed."""

    reason: str
    file: str
    line: int
    text: str
    usual: bool = False

    def printable(self) -> dict[str, Any]:
        """File, line and reason as text that any output takes: bytes that are not UTF-8 are escaped."""
        return {"file": printable(self.file), "line": self.line, "reason": printable(self.text, _LONGEST_REASON)}


@dataclass
class FileTally:
    """How many lines of a file were understood, usual faults aside; `formats`: what the first faulty ones look like.

    `without_agent` are the events of access logs that have no browser, `hosts` the first hosts that were requested.
    `kind` is the format that it is read in.
    """

    file: str
    lines: int = 0
    refused: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    without_agent: int = 0
    hosts: set[str] = field(default_factory=set)
    kind: str = ""

    @property
    def understood(self) -> bool:
        """Whether more than half of the lines were; an empty file is."""
        return self.refused * 2 < self.lines or not self.lines

    @property
    def looks_like(self) -> str | None:
        """The name of the format of most lines that were in no format; "" for an unknown one, None if none was such."""
        return self.formats.most_common(1)[0][0] if self.formats else None

    def refuse(self, malformed: Malformed | None = None) -> None:
        """Count a line whose time is in the future, or that is malformed."""
        if malformed is not None and malformed.usual:
            self.lines -= 1
            return
        self.refused += 1
        if malformed is not None and malformed.line and self.refused <= _SAMPLED:
            self.formats[formats.looks_like(malformed.line)] += 1

    def add_host(self, host: str) -> None:
        """Remember a host, of a bounded number."""
        if len(self.hosts) < _MAX_HOSTS:
            self.hosts.add(host)

    def sentence(self) -> str:
        """What was not understood of the file, and what to do."""
        found = f"{self.refused:,} of {self.lines:,} lines of {self.file} were not understood."
        return found if self.looks_like is None else f"{found} {formats.described(self.looks_like)}"


@dataclass
class Summary:
    """The outcomes of all lines. Times in milliseconds since the epoch, after the shift; None if nothing was sent.

    `old` are the events sent that are from before `since_ms`, so that no list shows them. `keyless` are those without a
    repeat_key; None if nobody wants any.
    """

    lines: int = 0
    sent: int = 0
    skipped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    shift_ms: int = 0
    first_occurred_at: int | None = None
    last_occurred_at: int | None = None
    faults: list[Fault] = field(default_factory=list)
    files: list[FileTally] = field(default_factory=list)
    since_ms: int = 0
    old: int = 0
    keyless: int | None = None

    def add(self, outcome: dict[str, Any] | str | Fault) -> None:
        """Count a line: the event that it became, or the reason why it is none."""
        self.lines += 1
        if isinstance(outcome, Fault):
            self.skipped[outcome.reason] += 1
            self._keep(outcome)
            return
        if isinstance(outcome, str):
            self.skipped[outcome] += 1
            return
        self.sent += 1
        at = outcome["occurred_at"]
        self.old += at < self.since_ms
        if self.keyless is not None and outcome.get("repeat_key") is None:
            self.keyless += 1
        self.first_occurred_at = at if self.first_occurred_at is None else min(at, self.first_occurred_at)
        self.last_occurred_at = at if self.last_occurred_at is None else max(at, self.last_occurred_at)

    def _keep(self, fault: Fault) -> None:
        if len(self.faults) == SHOWN_FAULTS:
            usual = [one for one in self.faults if one.usual]
            if fault.usual or not usual:
                return
            self.faults.remove(usual[-1])
        self.faults.append(fault)

    def not_understood(self) -> list[FileTally]:
        """The files of which half or more was refused."""
        return [one for one in self.files if not one.understood]

    @property
    def no_article(self) -> bool:
        """Whether nothing was sent, since half or more of all lines have an address without an article's id."""
        return not self.sent and 0 < sum(one.lines for one in self.files) <= self.skipped["pattern"] * 2

    @property
    def without_agent(self) -> int:
        """Events sent of access logs without browsers, whose crawlers nobody can tell."""
        return sum(one.without_agent for one in self.files)

    @property
    def hosts(self) -> list[str]:
        """The hosts that were requested, as far as the logs have them, at most some hundred of a file."""
        return sorted(set().union(*(one.hosts for one in self.files)))

    def as_json(self, twice: int) -> dict[str, Any]:
        """For scripts; `twice` are the times without an offset in an hour that came twice."""
        return {
            "lines": self.lines,
            "sent": self.sent,
            "skipped": self.skipped,
            "shift_ms": self.shift_ms,
            "first_occurred_at": self.first_occurred_at,
            "last_occurred_at": self.last_occurred_at,
            "twice": twice,
            "without_repeat_key": self.keyless,
            "without_agent": self.without_agent,
            "formats": Counter(one.kind for one in self.files),
            "hosts": [printable(host) for host in self.hosts],
            "crawler_lists": agents.LISTS,
            "faults": [one.printable() for one in self.faults],
            "not_understood": [
                {
                    "file": printable(one.file),
                    "lines": one.lines,
                    "refused": one.refused,
                    "looks_like": one.looks_like or None,
                }
                for one in self.not_understood()
            ],
        }
