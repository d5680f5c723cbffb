"""What the world wrote reaches a terminal as text: every command, on hostile data, under a pseudo-terminal."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from redis.asyncio import Redis

from ranker import settings
from ranker.core.partial_counts import Rejected
from ranker.log.dead_letter_writer import DeadLetters
from ranker.store.topic_copy import Change, TopicCopy
from tests.integration.consume.engine import CHECKOUT, RANKER
from tests.support.kafka_at import kafka_at, kafka_environ
from tests.support.shard_writer import publish
from tests.support.topics import new_topic

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x1b[6n\x9b6n\u202epwned\x7f\u2028\r\n[red]pwned[/red]"
OURS = re.compile(r"\r?\x1b\[(\d*(;\d+)*m|\?25[lh]|\?1049[lh]|2K|1A|H)")
"""Colours, and what a bar or a screen of rich moves."""


def under_terminal(words: list[str], environment: dict[str, str], stdin: bytes = b"") -> str:
    """What a command writes to a terminal of 200 columns, both outputs, until it ends."""
    ours, its = pty.openpty()
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=its, stderr=its, cwd=CHECKOUT,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment},
        )  # fmt: skip
    finally:
        os.close(its)
    written: list[bytes] = []

    def read() -> None:
        # A terminal whose last writer is gone is an error to its reader.
        try:
            while piece := os.read(ours, 65_536):
                written.append(piece)
        except OSError:
            return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        process.communicate(stdin, timeout=60)
    finally:
        process.kill()
        reader.join()
        os.close(ours)
    return b"".join(written).decode()


def unfit(shown: str) -> list[str]:
    """The characters that a terminal would obey, without those that are ours."""
    return [char for char in OURS.sub("", shown).replace("\r\n", "") if not char.isprintable() and char != "\xa0"]


class Refusing(BaseHTTPRequestHandler):
    """A collector that answers with hostile words."""

    def do_POST(self) -> None:
        self.send_response(403)
        self.end_headers()
        self.wfile.write(HOSTILE.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.long
async def test_no_command_of_the_ranker_hands_on_what_a_terminal_obeys(
    kafka_embedded: str, redis_url: str, tmp_path: Path
) -> None:
    """Titles, ids, dead letters and settings are shown as they are, but for what is not printable."""
    topic = await new_topic(kafka_embedded)
    await new_topic(kafka_embedded, name=f"{topic}.dead")
    config = tmp_path / "ranker.toml"
    config.write_text(f'topic = "{topic}"\n[sites.demo]\ntitle = {json.dumps(HOSTILE)}\n'.replace("\x7f", "\\u007f"))
    environment = {
        "RANKER_CONFIG": str(config), "RANKER_REDIS_URL": redis_url, **kafka_environ(kafka_embedded),
        "RANKER_ENV": "development",
    }  # fmt: skip
    generation = settings.load(str(config), {}).generation
    article = {"site_id": "demo", "article_id": "/a", "title": HOSTILE, "url": "https://x/", "status": "published"}
    client = Redis.from_url(redis_url)
    try:
        now_ms = time.time_ns() // 1_000_000
        await publish(client, generation, 1, [("demo", "/a", "view", 3), ("demo", HOSTILE, "view", 2)], now_ms)
        catalogue = TopicCopy(client, 0)
        await catalogue.begin("a", 1)
        state = await catalogue.load()
        assert state is not None
        value = json.dumps(article | {"published_at": now_ms}).encode()
        await catalogue.advance(state, 1, "", [Change(b"demo//a", value, 0)])
    finally:
        await client.aclose()
    letters = DeadLetters(kafka_at(kafka_embedded), topic)
    await letters.start()
    try:
        text = HOSTILE.encode()
        await letters.write(0, [Rejected(offset=0, append_ms=now_ms, key=text, value=text, reason="schema")])
    finally:
        await letters.stop()
    lines = (
        ["top", "--once", "--board", "read"], ["check"], ["generations"], ["dead", "list"], ["dead", "show"],
        ["dead", "show", f"{HOSTILE}"], ["dead", "resend", "--all", "--dry-run"], ["topics", "apply", "--dry-run"],
        ["top", "--once", "--site", HOSTILE], ["generations", "activate", HOSTILE], ["generations", "drop", HOSTILE],
        ["serve", "--host", HOSTILE], ["consume", "--accept-bad", HOSTILE],
        ["compare", "--rules", "press", "--rules", "none", "--site", HOSTILE],
        ["compare", "--rules", "press", "--config", HOSTILE],
        ["verify"], ["verify", "--article", HOSTILE], ["verify", "--site", HOSTILE], ["verify", "--metrics", HOSTILE],
    )  # fmt: skip
    ended = await asyncio.gather(
        *(asyncio.to_thread(under_terminal, [*RANKER, *words], environment) for words in lines)
    )
    for words, shown in zip(lines, ended, strict=True):
        assert not unfit(shown), (words, shown)
        assert "Traceback" not in shown, (words, shown)
        if words[0] != "dead" or words[1] == "show":
            assert "pwned" in shown or words in (["generations"], ["topics", "apply", "--dry-run"]), (words, shown)
        if words[:2] in (["top", "--once"], ["dead", "show"]):
            assert "[red]pwned[/red]" in shown or HOSTILE in words, (words, shown)


async def test_no_command_of_the_producers_hands_on_what_a_terminal_obeys(
    kafka_embedded: str, tmp_path: Path, refusing: str
) -> None:
    """What feeds, files and collectors say."""
    topic = await new_topic(kafka_embedded)
    environment = {**kafka_environ(kafka_embedded), "RANKER_WRITE_KEYS": "demo=0123456789abcdef"}
    escaped = HOSTILE.replace("&", "&amp;").translate(dict.fromkeys((7, 27)))
    feed = f"<rss><channel><item><title>x</title><link>{escaped}</link></item></channel></rss>".encode()
    rows = json.dumps({"title": "x", "url": HOSTILE, HOSTILE: 1, "site_id": HOSTILE, "status": HOSTILE}).encode()
    header = f"occurred_at,url,{HOSTILE.splitlines()[0]},{HOSTILE.splitlines()[0]}".encode()
    name = tmp_path / HOSTILE.replace("/", "")
    name.write_bytes(b"\x1f\x8b" + HOSTILE.encode())
    producers = [*RANKER[:-1], RANKER[-1].replace("ranker.commands", "producers.commands")]
    lines = (
        (["articles", "import", "-", "--topic", topic], feed),
        (["articles", "import", "-", "--topic", topic], rows),
        (["articles", "import", "-", "--topic", topic], b'{"title": "' + HOSTILE.encode() + b'"}'),
        (["articles", "import", HOSTILE], b""),
        (["articles", "hide", "demo", HOSTILE], b""),
        (["articles", "alias", "demo", "/a", HOSTILE], b""),
        (["replay", str(name)], b""),
        (["replay", "-", "--article-pattern", HOSTILE], b""),
        (["replay", "-", "--zone", HOSTILE], b""),
        (["replay", "-", "--topic", topic, "--format", "jsonl"], rows),
        (["replay", "-", "--topic", topic, "--format", "csv"], header),
        (["simulate", "--events", "1", "--topic", topic, "--collector", refusing, "--collector-share", "1"], b""),
        (["simulate", "--collector", HOSTILE], b""),
        (["collect", "--name", HOSTILE], b""),
    )
    ended = await asyncio.gather(
        *(asyncio.to_thread(under_terminal, [*producers, *words], environment, stdin) for words, stdin in lines)
    )
    for (words, stdin), shown in zip(lines, ended, strict=True):
        assert not unfit(shown), (words, shown)
        assert "Traceback" not in shown, (words, shown)
        assert "pwned" in shown or b"title" in stdin[:8], (words, shown)
