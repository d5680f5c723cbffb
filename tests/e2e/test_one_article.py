"""One address through every door, each time spelled otherwise: the lists have one article, and the editor hides one."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from ranker.core.generation import ListName
from ranker.settings import Site
from ranker.store.reader import Reader as StoreReader
from tests.integration.consume.engine import Engine
from tests.support.collector_process import Collector, collector
from tests.support.producers_command import run
from tests.support.reader import Reader, running_reader, until
from tests.unit.test_article_id import SAME

pytestmark = pytest.mark.asyncio
FORM, SPELLINGS = next(iter(SAME.items()))
ADDRESSES = [one.strip() for one in SPELLINGS]
PATHS = [one for one in ADDRESSES if one.startswith("/")]
URLS = [one if "://" in one else f"https://www.example.org{one}" for one in ADDRESSES]
ESCAPED = [rf"/soci\x{e}t\x{e}/un-\x{e}t\x{e}" for e in (r"C3\xA9", r"c3\xa9")]
"""As nginx and as Apache write the raw bytes."""
SITE, ORIGIN = "server", "https://www.example.org"
KEY = {"key": "key-of-server-0123456789"}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
SITES = f"""
[sites.demo]
[sites.other]
[sites.{SITE}]
origins = ["{ORIGIN}"]
"""
OURS = (
    'topic = "{topic}"\nlanes = 8\n'
    + SITES
    + """
[windows.24h]
length_s = 86400
grain_s = 60
[windows.7d]
length_s = 604800
grain_s = 3600
[boards.read]
view = 1
"""
)
FOREIGN = OURS + '[source]\nids = "path"\nfields = {{article_id = "page", site_id = "site"}}\n'
LIST = f"/v1/{SITE}/popular/read/24h"
COUNTED_S = 60.0


class Doors:
    """Sends the address, and knows how many views it should have."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory
        self.views = 0

    async def producers(self, *args: str, text: str = "") -> None:
        code, out, err = await run(self.engine.bootstrap, *args, stdin=text.encode())
        assert code == 0, (args, out, err)

    async def replay(self, kind: str, text: str) -> None:
        file = self.directory / f"views.{kind}"
        file.write_text(text, "utf-8")
        await self.producers("replay", str(file), "--site", SITE, "--topic", self.engine.topic)

    async def replay_all(self) -> None:
        now = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        requests = [*ADDRESSES, *ESCAPED, *["/sport/finale"] * 3]
        lines = [f'1.2.3.4 - - [{now}] "GET {one} HTTP/1.1" 200 1 "-" "{BROWSER}"' for one in requests]
        await self.replay("log", "\n".join(lines) + "\n")
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        await self.replay("csv", "occurred_at,url\n" + "".join(f"{moment},{one}\n" for one in URLS))
        fields = [{"article_id": one} for one in ADDRESSES] + [{"url": one} for one in URLS] + [{"path": PATHS[0]}]
        await self.replay("jsonl", "".join(json.dumps({"occurred_at": moment, **one}) + "\n" for one in fields))
        self.views += len(ADDRESSES) + len(ESCAPED) + len(URLS) + len(fields)

    def collect_all(self, running: Collector) -> None:
        headers = {"Origin": ORIGIN, "User_Agent": BROWSER}
        answers = [running.page([{"article_id": one}], **headers) for one in ADDRESSES]
        answers += [running.server([{"article_id": one} for one in ADDRESSES], **KEY)]
        targets = [f"/v1/view.gif?article_id={quote(one, safe='')}" for one in ADDRESSES]
        answers += [running.ask("GET", target, Referer=f"{ORIGIN}/", User_Agent=BROWSER) for target in targets]
        assert {answer.status for answer in answers} <= {200, 202}, answers
        self.views += 3 * len(ADDRESSES)


def rss(url: str, title: str) -> str:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    item = f"<item><title>{title}</title><link>{escape(url)}</link><pubDate>{date}</pubDate></item>"
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>{item}</channel></rss>'


def sitemap(url: str, title: str) -> str:
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    news = (
        "<news:news><news:publication><news:name>x</news:name><news:language>fr</news:language></news:publication>"
        f"<news:publication_date>{date}</news:publication_date><news:title>{title}</news:title></news:news>"
    )
    spaces = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
    return f'<?xml version="1.0"?><urlset {spaces}><url><loc>{escape(url)}</loc>{news}</url></urlset>'


def json_line(url: str, title: str, **more: str) -> str:
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps({"url": url, "title": title, "published_at": date, **more})


async def rows(reader: Reader, query: str = "") -> Mapping[str, int]:
    answer = await reader.get(LIST + query)
    return {item["article_id"]: item["count"] for item in answer.json["items"]} if answer.status == 200 else {}


async def known(reader: Reader, title: str) -> None:
    """Waits for the article under this title; there is no other one in the catalogue."""

    async def so() -> bool:
        return {name: one.title for name, one in reader.board.articles.of(SITE).items()} == {FORM: title}

    await until(so, f"article called {title}")


@asynccontextmanager
async def counting(bootstrap: str, redis_url: str, directory: Path, config: str) -> AsyncIterator[Engine]:
    """A topic and its consumer, which has just been started."""
    engine = Engine(bootstrap, redis_url, directory, config=config, idempotent=False)
    try:
        await engine.create_topic(2, message_timestamp_type="CreateTime")
        engine.consume(environment="development")
        yield engine
    finally:
        await engine.close()


async def send_foreign(engine: Engine) -> None:
    """Keyed as they are spelled, so that they lie in both partitions."""
    async with engine.traffic.producer() as producer:
        for one in ADDRESSES:
            event = {"page": one, "site": SITE, "event_type": "view", "occurred_at": time.time_ns() // 1_000_000}
            await producer.send_and_wait(engine.topic, json.dumps(event).encode(), key=f"{SITE}/{one}".encode())


@pytest.mark.long
async def test_one_address_is_one_article(kafka_embedded: str, redis_url: str, tmp_path: Path) -> None:
    """Replay, imports, collector, reader, the editor's commands; and a foreign topic with `[source] ids = "path"`."""
    async with counting(kafka_embedded, redis_url, tmp_path, OURS) as engine, AsyncExitStack() as stack:
        doors = Doors(engine, tmp_path)
        await doors.replay_all()
        with collector(engine.bootstrap, engine.topic, tmp_path / "collector", SITES) as running:
            doors.collect_all(running)
        reader = await stack.enter_async_context(running_reader(redis_url, {SITE: Site("Server")}, None))

        async def counted() -> Any:
            return await rows(reader) == {FORM: doors.views, "/sport/finale": 3}

        await engine.until(f"one article with {doors.views} views", counted, COUNTED_S)
        foreign = await stack.enter_async_context(counting(kafka_embedded, redis_url, tmp_path, FOREIGN))
        await send_foreign(foreign)
        for form, url in zip((rss, sitemap, json_line), URLS[1::2], strict=False):  # a command takes a second
            await doors.producers("articles", "import", "-", "--site", SITE, text=form(url, form.__name__))
            await known(reader, form.__name__)
        line = json_line("https://www.example.org/x", "Par son id", article_id=PATHS[1])
        await doors.producers("articles", "import", "-", "--site", SITE, text=line)
        await known(reader, "Par son id")
        for one in ADDRESSES:
            given = quote(one, safe="")
            assert await rows(reader, f"?exclude={given}") == {"/sport/finale": 3}, one
            answer = (await reader.get(f"/v1/{SITE}/article?id={given}")).json
            assert (answer["article_id"], answer["title"]) == (FORM, "Par son id"), one
        for command, one in (("hide", PATHS[1]), ("show", URLS[-1])):
            await doors.producers("articles", command, SITE, one)

            async def shown(command: str = command) -> bool:
                return (FORM in await rows(reader)) is (command == "show")

            await until(shown, f"list after {command} {one}")
        name = ListName(SITE, "read", "24h")

        async def counted_foreign() -> bool:
            lists = (await StoreReader(reader.client).refresh(foreign.generation, 2, [name], {}, {})).lists
            return name in lists and lists[name].merged.rows == [(len(ADDRESSES), FORM.encode())]

        await foreign.until("one article in the foreign topic", counted_foreign, COUNTED_S)
