"""Odd beacons by the thousand: nothing makes the collector fail, and good ones go on."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from producers.collector.beacons.beacon_routes import TRACKERS
from tests.support.beacon_collector import BY_PLAUSIBLE_JS, BY_UMAMI_JS, SENT_BY_MATOMO_JS, USUAL, Collector, dumps

ODD = [
    "", "0", "-1", "NaN", "1e999", "null", "[]", "{}", "%", "%zz", "%00", "\0", "\ud800", "é" * 300, "/" * 9_000, "x" * 70_000,
    "javascript:alert(1)", "data:text/html,x", "//", "http://", "https://[", "/a\r\nSet-Cookie: x=1", "/../../active", "<b>",
]  # fmt: skip


async def test_odd_requests(tmp_path: Path) -> None:
    """2,000 that are wrong in one place or several: no 5xx, nothing of theirs in an answer's head, good ones go on."""
    running = Collector(tmp_path)
    rng = random.Random(20261130)
    statuses: Counter[int] = Counter()
    for _ in range(2_000):
        target, body = odd(rng)
        headers = {
            "content_type": rng.choice(["", "text/plain", "application/json", "multipart/form-data; boundary=x"])
        }
        method = rng.choice(["GET", "POST", "POST", "POST", "OPTIONS", "HEAD", "PUT"])
        status, answered, _ = await running.ask(method, target, body, **headers)
        statuses[status] += 1
        assert not any("\n" in value for value in answered.values())
    assert max(statuses) < 500, statuses
    assert statuses[200] > 100
    assert statuses[400] > 100
    before = len(running.articles)
    assert all(one.article_id.isprintable() for one in running.outbox.events)
    await running.ask("POST", "/api/event", dumps(BY_PLAUSIBLE_JS))
    assert len(running.articles) == before + 1


def odd(rng: random.Random) -> tuple[str, bytes]:
    """A beacon with a value that no script sends, or a body that is none."""
    path = rng.choice(list(TRACKERS))

    def worse(fields: dict[str, Any]) -> dict[str, Any]:
        names = rng.sample([*fields, "zz"], rng.randint(0, 2))
        values: list[Any] = [*ODD, None, 7, 1.5, True, [], {}, [[]], {"a": {}}]
        return fields | {name: rng.choice(values) for name in names}

    if path == "/count":
        query = worse({"p": "/a", "b": "0", "e": "false"})
    else:
        query = worse(dict(SENT_BY_MATOMO_JS)) if path.endswith(".php") else {}
    bodies: dict[str, Any] = {
        "/api/event": worse(dict(BY_PLAUSIBLE_JS)),
        "/api/send": worse({"type": "event", "payload": worse(dict(BY_UMAMI_JS))}),
    }
    bulk: dict[str, Any] = {
        "requests": [rng.choice([*ODD, None, 7, [], worse(dict(USUAL)), "?" + urlencode(USUAL)]) for _ in range(5)]
    }
    text = json.dumps(bodies.get(path, worse(bulk))).encode()
    body = rng.choice(
        [text, text, text, text[: rng.randint(0, len(text))], rng.randbytes(50), b"", b"[" * 5_000, b"null"]
    )
    if path.endswith(".php") and rng.random() < 0.5:
        body = b""
    written = "&".join(f"{name}={quote(str(value)[:3_000], errors='replace')}" for name, value in query.items())
    return f"{path}?{written}", body[:65_536]
