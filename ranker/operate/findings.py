"""Findings of a check, as operators read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """`fault`: counting would fail or be wrong. `note`: worth knowing, but counts are right. `ok`: checked."""

    kind: Literal["ok", "note", "fault"]
    subject: str
    text: str
    fix: str = ""


def ok(subject: str, text: str) -> Finding:
    return Finding("ok", subject, text)


def note(subject: str, text: str, fix: str = "") -> Finding:
    return Finding("note", subject, text, fix)


def fault(subject: str, text: str, fix: str = "") -> Finding:
    return Finding("fault", subject, text, fix)


def with_fix(subject: str, sentence: str) -> Finding:
    """A fault from "what is wrong; what to do"."""
    text, _, fix = sentence.partition("; ")
    return fault(subject, text, fix)
