"""Articles that the collector knows: bounded, saved, and read again at the next start."""

import asyncio
import threading
from pathlib import Path

import pytest

from producers.collector import known_articles
from producers.collector.known_articles import NEVER, Known, name


async def test_what_is_known_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The article read last stays, also over a restart, whatever strangers invent."""
    monkeypatch.setattr(known_articles, "MAX_PAIRS", 10)
    async with Known.open(tmp_path, ["demo"]) as first:
        for number in range(50):
            first.count("demo", name("/read", "view"), 1)
            first.count("demo", name(f"/{number}", "view"), 1)
        assert [first.last("demo", name(one, "view")) for one in ("/read", "/30")] == [1, None]
    second = Known(tmp_path, ["demo"])
    assert [second.last("demo", name(one, "view")) for one in ("/read", "/49", "/30")] == [NEVER, NEVER, None]
    assert (tmp_path / "demo.articles").stat().st_size == 80
    assert (tmp_path / "demo.articles").stat().st_mode & 0o077 == 0


async def test_a_disk_that_fails_stops_nothing(tmp_path: Path) -> None:
    """Known articles are a courtesy: they are saved later, or not."""
    (tmp_path / "demo.articles").mkdir()
    async with Known.open(tmp_path, ["demo"]) as articles:
        articles.count("demo", name("/a", "view"), 1)
        await articles.save()
        assert articles.last("demo", name("/a", "view")) == 1


async def test_an_end_during_a_save_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known is all in the files, of every site, though the first one was being written when the end came."""
    began, may_end, write = threading.Event(), threading.Event(), known_articles._write

    def slowly(file: Path, content: bytes) -> None:
        began.set()
        assert may_end.wait(10)
        write(file, content)

    monkeypatch.setattr(known_articles, "_write", slowly)
    monkeypatch.setattr(known_articles, "SAVE_EVERY_S", 0.01)
    sites = ["one", "two", "three"]
    async with Known.open(tmp_path, sites) as articles:
        for site in sites:
            articles.count(site, name("/a", "view"), 1)
        assert await asyncio.to_thread(began.wait, 10)
        articles.count("one", name("/b", "view"), 1)
        asyncio.get_running_loop().call_later(0.05, may_end.set)
    again = Known(tmp_path, sites)
    assert [again.last(site, name("/a", "view")) for site in sites] == [NEVER] * 3
    assert again.last("one", name("/b", "view")) == NEVER
