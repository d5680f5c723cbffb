"""Finding on dead letters that wait for somebody."""

from __future__ import annotations

import asyncio

from ranker.connect.kafka import KafkaSettings
from ranker.core.times import rfc3339
from ranker.log.dead_letter_reader import reading
from ranker.log.errors import LogRefusedError, LogUnavailableError, NoTopicError
from ranker.operate.findings import Finding, note, ok
from ranker.service.runbook import Section

_READING_S = 5.0


async def findings(at: KafkaSettings, topic: str) -> list[Finding]:
    """How many letters of `topic` were not sent again, by reason, of as many as can be read within 5 s.

    Nothing if Kafka or the topic is away, which check_kafka reports. If this user may not read them, a note.
    """
    waiting: dict[str, int] = {}
    newest_ms, whole = 0, False
    try:
        async with reading(at, topic, lambda _, __: None) as log:
            try:
                async with asyncio.timeout(_READING_S):
                    async for letters in log.portions():
                        for letter in letters:
                            if not letter.resent:
                                waiting[letter.reason] = waiting.get(letter.reason, 0) + 1
                                newest_ms = max(newest_ms, letter.append_ms)
                whole = True
            except TimeoutError:
                pass
    except (LogUnavailableError, NoTopicError):
        return []
    except LogRefusedError as error:
        text, _, fix = str(error).partition("; ")
        fix = f"run this as the operator, or {fix}" if fix else fix
        return [note("dead letters", Section.DEAD_LETTERS, f"{topic}.dead was not looked at: {text}", fix)]
    if not waiting:
        if whole:
            return [ok("dead letters", f"{topic}.dead: no letter waits")]
        text = f"{topic}.dead has more than could be read within {_READING_S:.0f} s, so nothing is known of it"
        return [note("dead letters", Section.DEAD_LETTERS, text, "look with `ranker dead list`, which takes its time")]
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(waiting.items(), key=lambda one: -one[1]))
    number = f"{'' if whole else 'more than '}{sum(waiting.values()):,}"
    text = f"{topic}.dead: {number} records were not counted ({reasons}), the newest of {rfc3339(newest_ms)}"
    fix = "see why with `ranker dead list` and `ranker dead show`; `ranker dead resend` sends what is right again"
    return [note("dead letters", Section.DEAD_LETTERS, text, fix)]
