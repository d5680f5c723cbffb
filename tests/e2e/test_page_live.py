"""The page follows the streams: articles move while one looks, and it is honest when it is behind."""

import re
import time

import pytest
from playwright.async_api import Browser, expect

from ranker.serve.api import streams
from tests.support.page_site import LIST, SHARDS, TITLES, Visit, counts, now_ms, shot, visit
from tests.support.reader import GENERATION, Reader, until
from tests.support.shard_writer import write

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAM = re.compile(r"/v1/demo/popular/\w+/24h/stream\?limit=10")
POLL = re.compile(r"/v1/demo/popular/(?!latest)\w+/\w+\?")


async def overtake(reader: Reader, article: int, views: int) -> None:
    """One article is read more often than all others."""
    counted = [
        ("demo", f"/{i}", outcome, views if (i, outcome) == (article, "view") else count)
        for i in range(len(TITLES))
        for outcome, count in counts(i).items()
    ]
    await write(reader.client, GENERATION, SHARDS, counted, now_ms())


def polls(seen: Visit) -> list[str]:
    return [url for url in seen.asked if POLL.match(url)]


async def test_lists_move_by_their_streams(browser: Browser, reader: Reader, beating: None) -> None:
    """One stream for each list, and not one list requested; an article that overtakes the others climbs."""
    seen = await visit(browser, reader)
    await overtake(reader, 4, 5000)
    await expect(seen.board("read").locator("[part=title]").first).to_have_text(TITLES[4])
    assert await seen.column("read", "[part=rank]") == [f"{rank:02d}." for rank in range(1, 11)]
    await expect(seen.board("read").locator("[part=count]").first).to_have_text("5\u202f000\u00a0lectures")
    move = seen.board("read").locator(".move").first
    await expect(move).to_have_text("▲\u202f4monté de 4\u00a0places")
    assert len([url for url in seen.asked if STREAM.fullmatch(url)]) == 3
    assert polls(seen) == []
    assert seen.complaints == []


async def test_arrows_say_how_articles_moved(browser: Browser, reader: Reader, beating: None) -> None:
    """Up, down and new, in signs for the eye and in words for the ear; nothing where an article stays."""
    seen = await visit(browser, reader)
    moves = seen.board("read").locator(".move")
    await expect(moves.nth(1)).to_have_text("▲\u202f1monté d’une place")
    await expect(moves.nth(3)).to_have_text("▼\u202f2descendu de 2\u00a0places")
    await expect(moves.nth(5)).to_have_text("nouv.nouveau")
    await expect(moves.nth(0)).to_have_text("")
    assert await moves.nth(1).get_attribute("title") == "monté d’une place"
    hidden = moves.nth(1).locator("[aria-hidden=true]")
    await expect(hidden).to_have_text("▲\u202f1")


async def test_a_hidden_tab_keeps_no_stream(browser: Browser, reader: Reader, beating: None) -> None:
    """Behind another tab the streams are closed; back in front the lists are those of now."""
    seen = await visit(browser, reader)

    def open_streams() -> float:
        return reader.registry.get_sample_value("ranker_streams") or 0

    async def are_open() -> bool:
        return open_streams() == 3

    async def are_closed() -> bool:
        return open_streams() == 0

    await until(are_open, "stream for each list")
    await seen.page.evaluate(
        "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    await until(are_closed, "end of the streams")
    await overtake(reader, 7, 9000)
    await seen.page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    await expect(seen.board("read").locator("[part=title]").first).to_have_text(TITLES[7])
    await until(are_open, "stream for each list")
    assert polls(seen) == []


@pytest.mark.parametrize("and_back", [False, pytest.param(True, marks=pytest.mark.long)])
async def test_if_streams_are_refused_it_polls(
    browser: Browser, reader: Reader, beating: None, monkeypatch: pytest.MonkeyPatch, and_back: bool
) -> None:
    """503 for a stream: the lists are requested instead, and still move; no notice, for nothing is wrong with them."""
    monkeypatch.setattr(streams, "MAX_STREAMS", 0)
    seen = await visit(browser, reader)
    assert len(polls(seen)) >= 1
    await overtake(reader, 3, 7000)
    await expect(seen.board("read").locator("[part=title]").first).to_have_text(TITLES[3], timeout=15_000)
    await expect(seen.page.locator("#notice")).to_be_hidden()
    if and_back:  # once there is room again, the streams are found within half a minute
        async with seen.page.expect_request(lambda request: bool(STREAM.search(request.url)), timeout=40_000):
            monkeypatch.undo()


async def test_it_says_when_it_is_behind_or_incomplete(browser: Browser, reader: Reader) -> None:
    """A list that is late, short of something, or no longer refreshed is marked, in words."""
    seen = await visit(browser, reader)
    notice = seen.page.locator("#notice")
    await expect(notice).to_be_hidden()
    views = [("demo", f"/{i}", "view", 10 + i) for i in range(10)]
    await write(reader.client, GENERATION, SHARDS, views, now_ms(), {1: {"refused": 1}})
    await expect(notice).to_contain_text("Liste incomplète\u00a0:")
    started_ms = time.monotonic_ns() // 1_000_000
    ahead_ms = now_ms() + 31_000
    reader.board.now_ms = lambda: ahead_ms + time.monotonic_ns() // 1_000_000 - started_ms
    await expect(notice).to_contain_text("Liste en retard\u00a0:")
    await shot(seen, "page-stale")
    await seen.page.context.set_offline(True)
    await expect(notice).to_contain_text("Connexion perdue", timeout=20_000)
    await expect(seen.board("read").locator("[part=rank]")).to_have_count(10)
    await seen.page.context.set_offline(False)
    await expect(notice).to_contain_text("Liste en retard\u00a0:", timeout=20_000)


async def test_the_last_update_in_words(browser: Browser, reader: Reader, beating: None) -> None:
    """It says how old the list is, and counts on while nothing comes."""
    seen = await visit(browser, reader)
    said = seen.page.locator("#updated")
    await expect(said).to_have_text(re.compile("^À jour il y a\u00a0[5-9]\u00a0s$"), timeout=12_000)
    assert (await reader.ranking(LIST))["stale"] is False
