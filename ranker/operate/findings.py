"""Findings of a check, as operators read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ranker.service.runbook import Section


@dataclass(frozen=True, slots=True)
class Finding:
    """`fault`: counting would fail or be wrong. `note`: worth knowing, but counts are right. `ok`: checked.

    `runbook` is the section that says more than `fix`: of every fault and note, and of no other.
    """

    kind: Literal["ok", "note", "fault"]
    subject: str
    text: str
    fix: str = ""
    runbook: Section | None = None


def ok(subject: str, text: str) -> Finding:
    return Finding("ok", subject, text)


def note(subject: str, runbook: Section, text: str, fix: str = "") -> Finding:
    return Finding("note", subject, text, fix, runbook)


def fault(subject: str, runbook: Section, text: str, fix: str = "") -> Finding:
    return Finding("fault", subject, text, fix, runbook)


def with_fix(subject: str, runbook: Section, sentence: str) -> Finding:
    """A fault from "what is wrong; what to do"."""
    text, _, fix = sentence.partition("; ")
    return fault(subject, runbook, text, fix)
