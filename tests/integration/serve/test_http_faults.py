"""Faults on the public port: every one named, bounded, and nothing ignored in silence."""

import time

import pytest

from ranker.serve.api.list_request import FIRST_DEADLINE_S
from ranker.serve.live import demand
from tests.support.reader import LIST, Reader


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("limit=0", ["limit"]),
        ("limit=1001", ["limit"]),
        ("limit=1e1", ["limit"]),
        ("limit=", ["limit"]),
        ("limit=%31%30&limit=5", ["limit"]),
        ("section=Culture&limit=-1&x", ["x", "limit"]),
        ("offset=1000", ["offset"]),
        ("offset=1&limit=1000", ["offset"]),
        ("section=&format=" + "x" * 65, ["section", "format"]),
        ("&".join(f"section={i}" for i in range(101)), ["section"]),
        (
            "published_within=2w&exclude=a%20b&min_count=-1&fallback=yes",
            ["exclude", "published_within", "min_count", "fallback"],
        ),
        ("published_within=367d", ["published_within"]),
        ("last_event_id=1", ["last_event_id"]),
    ],
)
async def test_every_fault_in_one_problem(reader: Reader, query: str, parameters: list[str]) -> None:
    """400 with one entry per fault, and nothing is ignored in silence."""
    answer = await reader.get(f"{LIST}?{query}")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [fault["parameter"] for fault in answer.json["faults"]] == parameters
    assert answer.json["status"] == 400


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("&".join("a" * 3_000), 3_000),
        ("&".join(f"limit=x{i}" for i in range(90)), 91),
        ("x" * 8_000, 1),
        ("limit=" + "%C3%A9" * 1_300, 1),
        ("limit=" + "%00" * 2_500, 1),
        ("exclude=" + "%F3%A0%80%81" * 600, 1),
    ],
)
async def test_faults_are_bounded(reader: Reader, query: str, faults: int) -> None:
    """Twenty are named and the others counted; of what was sent no more than 100 characters are repeated."""
    answer = await reader.get(f"{LIST}?{query}")
    assert answer.status == 400
    told = answer.json["faults"]
    assert (len(told), answer.json.get("more_faults", 0)) == (min(20, faults), max(0, faults - 20))
    assert f"and {faults - 20} more" in answer.json["detail"] or faults <= 20
    assert all(len(one["parameter"]) <= 100 and len(one["detail"]) < 250 for one in told)
    assert len(answer.body) < 5_000


@pytest.mark.parametrize(
    ("target", "status", "parameters"),
    [
        ("demo/popular/raed/24h?limit=0", 400, ["board", "limit"]),
        ("demo/popular/read/25h?x=1&limit=5", 400, ["window", "x"]),
        ("nobody/popular/raed/25h?limit=0&limit=1001", 400, ["site", "board", "window", "limit", "limit", "limit"]),
        ("No%20body/popular/read/24h?limit=-1", 400, ["site", "limit"]),
        ("nobody/popular/raed/25h", 404, ["site", "board", "window"]),
        ("nobody/popular/read/24h?limit=5", 404, ["site"]),
    ],
)
async def test_faults_of_address_and_query_together(
    reader: Reader, target: str, status: int, parameters: list[str]
) -> None:
    """All reported at once: 404 if only the address is at fault, 400 as soon as the query is too."""
    answer = await reader.get(f"/v1/{target}")
    assert (answer.status, answer.json["status"]) == (status, status)
    assert [fault["parameter"] for fault in answer.json["faults"]] == parameters
    assert all(fault["detail"] in answer.json["detail"] for fault in answer.json["faults"])


async def test_what_there_is_not(reader: Reader) -> None:
    """Unknown boards and windows are answered with those there are; unknown sites and addresses with 404."""
    boards, windows = ["commented", "read", "shared", "latest"], ["24h", "7d"]
    answer = await reader.get("/v1/demo/popular/raed/25h")
    assert (answer.status, answer.json["boards"], answer.json["windows"]) == (404, boards, windows)
    answer = await reader.get("/v1/demo/popular/read/25h")
    assert (answer.status, answer.json.get("boards"), answer.json["windows"]) == (404, None, windows)
    assert answer.json["faults"] == [{"parameter": "window", "detail": "'25h' is unknown; there are 24h, 7d"}]
    for target in ("/v1/nobody/popular/read/24h", "/v1/No%20body/popular/read/24h", "/v1/", "/page/no.js", LIST + "/"):
        answer = await reader.get(target)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json"), target


@pytest.mark.parametrize(
    "target", ["{0}/popular/read/24h", "demo/popular/{0}/24h", "demo/popular/read/{0}", "{0}", "demo/article?id=/{0}"]
)
async def test_long_names_are_not_repeated(reader: Reader, target: str) -> None:
    """An address of many kilobytes, or of characters that take ten to write, is answered with a sentence."""
    for name in ("x" * 490, "%01" * 150, "%F3%A0%80%81" * 100):
        answer = await reader.get(f"/v1/{target.format(name)}")
        assert answer.status in {400, 404}
        assert len(answer.body) < 1_000, answer
    answer = await reader.get(f"/v1/{target.format('y' * 8_000).partition('?')[0]}")
    assert answer.status in {400, 404}
    assert len(answer.body) < 1_000, answer


async def test_lists_waited_for_are_bounded(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request for one more list than may be waited for is answered with when to come again, at once, not queued."""
    monkeypatch.setattr(demand, "MAX_LISTS", 0)
    began = time.monotonic()
    answer = await reader.get(LIST)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert time.monotonic() - began < FIRST_DEADLINE_S
    assert reader.demand.last_used_ms == {}


async def test_the_query_is_bounded(reader: Reader) -> None:
    """414 beyond 8 KiB, on lists, feeds and streams."""
    for route in (LIST, f"{LIST}/feed.rss", f"{LIST}/stream"):
        assert (await reader.get(f"{route}?section={'x' * 8_185}")).status == 414
        assert (await reader.get(f"{route}?section={'x' * 8_184}")).status == 400
