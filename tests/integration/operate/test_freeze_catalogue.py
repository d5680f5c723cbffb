"""What the catalogue says when a document is made stands in it; corrections are documents of their own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

import schemas
from deploy.local.kafka_apache import ApacheKafka
from ranker.core.best_of import Key, digest
from ranker.core.times import rfc3339
from tests.integration.operate.test_freeze import CLOSE, WEEK
from tests.support.frozen import DAY_MS, HOUR_MS, TOML, FrozenSite
from tests.support.record_batches import append, batch, record
from tests.support.recount import Raw

PLAIN = TOML.replace('preset = "press"\nrepeat_per_s = 1800\ngrace_s = 1200\n', 'preset = "none"\n')


@pytest.fixture
async def site(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> FrozenSite:
    return FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path, PLAIN)


def views(site: str, at_ms: int, counts: dict[str, int], append_ms: int | None = None) -> list[Raw]:
    event = {"event_type": "view", "site_id": site, "occurred_at": at_ms}
    return [
        Raw(0, append_ms or at_ms, None, orjson.dumps(event | {"event_id": f"{article}{n}", "article_id": article}))
        for article, count in counts.items()
        for n in range(count)
    ]


def placed(document: Any) -> list[tuple[str, int]]:
    return [(item["article_id"], item["count"]) for item in document["items"]]


async def begin(site: FrozenSite, **late: int) -> None:
    """A week with four articles, and one before it."""
    before, middle = WEEK[0] - 3 * DAY_MS, WEEK[0] + 2 * DAY_MS
    log = views(site.site, before, {"/a": 2, "/b": 3}) + views(site.site, middle, {"/a": 5, "/b": 4, "/c": 3, "/d": 1})
    log += views(site.site, WEEK[1] - HOUR_MS, late, CLOSE + HOUR_MS)
    await site.begin({0: log, 1: views(site.site, CLOSE + DAY_MS, {"/z": 1})})


async def test_titles_takedowns_and_moves(site: FrozenSite) -> None:
    """Of the topic, not of Redis, which has none of it here. An article that has moved is one with its target."""
    await begin(site)
    await site.article("/a", title="Le titre d’alors", url="https://x.example/a", section="Monde", format="light")
    await site.edit("/b", alias_of="/c")
    await site.article("/d", title="Caché", url="https://x.example/d")
    await site.edit("/d", hidden=True)
    await site.freeze("--kind", "week", "--period", "2026-03-21")
    await site.freeze("--kind", "week", "--period", "2026-03-28")
    document = await site.document("week", "2026-03-28")
    assert placed(document) == [("/c", 7), ("/a", 5)]
    moved, titled = document["items"]
    assert (titled["title"], titled["url"], titled["section"]) == ("Le titre d’alors", "https://x.example/a", "Monde")
    assert titled["published_at"] == rfc3339(1)
    assert (moved["title"], moved["movement"], moved["entered"]) == (None, "same", "2026-03-21")
    assert document["total"] == 13  # what is hidden was read all the same
    assert schemas.faults("best-of", document) == []
    await site.article("/a", title="Un autre titre", url="https://x.example/autre")
    assert (await site.document("week", "2026-03-28"))["items"][1]["title"] == "Le titre d’alors"


async def test_unknown_articles_are_left_out_if_lists_leave_them_out(
    kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path
) -> None:
    toml = PLAIN.replace("[sites.SITE.calendar]", "[sites.SITE]\nhide_unknown = true\n[sites.SITE.calendar]")
    site = FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path, toml)
    await begin(site)
    await site.article("/c", title="Connu", url="https://x.example/c")
    await site.freeze("--kind", "week", "--period", "2026-03-28")
    assert placed(await site.document("week", "2026-03-28")) == [("/c", 3)]


@pytest.mark.long
async def test_a_correction(site: FrozenSite) -> None:
    """It counts what has come since, says why and what changes, and the first one stays. The next one is compared with it."""
    await begin(site, **{"/c": 3})
    await site.freeze("--kind", "week", "--period", "2026-03-28")
    first = (await site.documents())[Key(site.site, "week", date(2026, 3, 28), "read")]
    assert placed(orjson.loads(first)) == [("/a", 5), ("/b", 4), ("/c", 3), ("/d", 1)]
    why = "Le collecteur a livré trois vues une heure trop tard."
    out, _ = await site.freeze("--kind", "week", "--revise", "2026-03-28", "--why", why)
    assert out.count("\n") == 2  # both boards
    keys = await site.documents()
    assert keys[Key(site.site, "week", date(2026, 3, 28), "read")] == first
    second = await site.document("week", "2026-03-28", revision=2)
    assert placed(second) == [("/c", 6), ("/a", 5), ("/b", 4), ("/d", 1)]
    assert (second["revision"], second["replaces"], second["why"], second["late"]) == (2, 1, why, 0)
    assert second["closed_at"] > orjson.loads(first)["closed_at"]
    assert [(one["article_id"], one["before"]["rank"], one["after"]["rank"]) for one in second["changed"]] == [
        ("/c", 3, 1),
        ("/a", 1, 2),
        ("/b", 2, 3),
        ("/d", 4, 4),
    ]
    assert second["changed"][0]["before"] == {"rank": 3, "count": 3, "title": None}
    assert second["changed"][3]["fields"] == ["share"]
    assert schemas.faults("best-of", second) == []
    assert second["sha256"] == digest(second)
    assert (await site.freeze("--revise", "2026-03-28", "--kind", "week", "--why", why))[0] == "Nothing to correct.\n"
    await site.article("/a", title="Titre", url="https://x.example/a")
    await site.freeze("--revise", "2026-03-28", "--kind", "week", "--why", "Le titre manquait.")
    third = await site.document("week", "2026-03-28", revision=3)
    assert (third["replaces"], third["items"][1]["url"]) == (2, "https://x.example/a")
    await site.freeze("--kind", "week", "--period", "2026-04-04")
    after = await site.document("week", "2026-04-04")
    assert (after["previous"], after["previous_revision"]) == ("2026-03-28", 3)
    assert after["items"][0]["movement"] == "new"


@pytest.mark.long
async def test_what_cannot_be_made(site: FrozenSite) -> None:
    """Each with the reason, and what to do; nothing is written."""
    await begin(site)
    refused: list[tuple[int, str, str]] = [
        (1, "--kind week --period 2026-03-29", "the week of 2026-03-29 is named by its first day, 2026-03-28"),
        (1, "--kind week --period 2099-01-03", "is not over; it can be made from 2099-01-10T05:10:00.000Z on"),
        (1, "--revise 2026-03-28 --why x", "has no document; make it with --period 2026-03-28"),
        (2, "--revise 2026-03-28", "a correction says why"),
        (2, "--period 28.3.2026", "is no date"),
        (2, "--period 9999-12-31", "is no date"),
        (2, "--period 0001-01-01", "is no date"),
        (2, "--site nobody", "there is no [sites.nobody] in ranker.toml"),
        (2, f"--revise 2026-03-28 --why {'x' * 501}", "write 1 to 500 characters"),
    ]
    for code, words, reason in refused:
        _, errors = await site.freeze(*words.split(), code=code)
        assert reason in " ".join(errors.split())
    assert not await site.documents()
    await site.freeze("--kind", "week", "--period", "2026-03-28")
    await site.delete(0, 6)
    _, errors = await site.freeze("--revise", "2026-03-28", "--kind", "week", "--why", "x", code=1)
    assert "Kafka has deleted the beginning of 2026-03-28: the document stays as it is" in " ".join(errors.split())


async def test_what_cannot_be_read_is_missing(kafka_apache: ApacheKafka, redis_url: str, tmp_path: Path) -> None:
    """What a batch unpacks to beyond the bound is lost in every period that was not closed there, and they say so."""
    site = FrozenSite(kafka_apache.bootstrap, redis_url, tmp_path, PLAIN + "[consume]\nunpack_mb = 2\n")
    before = views(site.site, WEEK[0] - DAY_MS, {"/a": 1})
    await site.begin({0: before + views(site.site, WEEK[0] + DAY_MS, {"/a": 2})})
    bomb = [record(n, None, b" " * (5 << 20 if n == 1 else 1)) for n in range(5)]
    async with AIOKafkaProducer(bootstrap_servers=site.bootstrap) as producer:
        await append(producer, site.name, 0, batch(bomb, codec=4, now_ms=WEEK[0] + DAY_MS, sent=True))
    await site.write({0: views(site.site, WEEK[0] + 2 * DAY_MS, {"/a": 2})})
    await site.write({0: views(site.site, CLOSE + DAY_MS, {"/z": 1})})
    await site.freeze("--period", "2026-03-28")
    for kind, counted in (("week", 4), ("day", 0)):
        document = await site.document(kind, "2026-03-28")
        assert (document["complete"], document["lost"], document["total"]) == (False, 3, counted)
    await site.freeze("--kind", "day", "--period", "2026-03-31")
    assert (await site.document("day", "2026-03-31"))["complete"]  # its reading begins behind the batch


@pytest.mark.long
async def test_a_record_of_the_future_closes_nothing(kafka_embedded: str, redis_url: str, tmp_path: Path) -> None:
    """With the producers' times one clock that is wrong would cut the period off there. Kafka 4 takes none beyond an hour."""
    site = FrozenSite(kafka_embedded, redis_url, tmp_path, PLAIN, exact=False)
    await begin(site)
    future = views(site.site, WEEK[0] + DAY_MS, {"/a": 1}, 4_000_000_000_000)
    await site.write({0: views(site.site, CLOSE + DAY_MS, {"/z": 1}) + future})
    await site.freeze("--kind", "week", "--period", "2026-03-28")  # behind the close
    assert (await site.document("week", "2026-03-28"))["total"] == 13
    _, errors = await site.freeze("--kind", "week", "--period", "2026-04-04", code=1)
    assert "appended at 2096-10-02T07:06:40.000Z, which has not come" in " ".join(errors.split())


@pytest.mark.long
async def test_the_first_week_of_a_log_is_not_complete(site: FrozenSite) -> None:
    """Nothing was deleted, but nobody knows what was read before the log began. The next one is."""
    await site.begin(
        {0: views(site.site, WEEK[0] + DAY_MS, {"/a": 2}) + views(site.site, CLOSE + 8 * DAY_MS, {"/z": 1})}
    )
    for first in ("2026-03-28", "2026-04-04"):
        await site.freeze("--kind", "week", "--period", first)
    assert [(await site.document("week", one))["complete"] for one in ("2026-03-28", "2026-04-04")] == [False, True]


@pytest.mark.long
async def test_nothing_is_active(site: FrozenSite) -> None:
    await site.create()
    _, errors = await site.freeze(code=1)
    assert "no generation is active in Redis: start `ranker consume`" in " ".join(errors.split())
