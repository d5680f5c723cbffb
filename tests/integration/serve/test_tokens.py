"""Sites that do not show counts: nothing that tells of them leaves without the site's token, by whatever route."""

import re
from typing import Any

import orjson

from tests.support.example_site import TOKEN, newsroom
from tests.support.http import Answer
from tests.support.reader import LIST, Reader, until
from tests.support.sse_client import listening

SECRET = "/v1/discret/popular/read/24h"
BEARER = f"Bearer {TOKEN}"


def numbers(value: Any) -> set[str]:
    """Names of the fields in which a count, a share or a total is given."""
    if isinstance(value, list):
        return set().union(*map(numbers, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    told = {name for name in ("count", "share", "total") if value.get(name) is not None}
    return told.union(*map(numbers, value.values())) if value else told


async def test_nothing_reveals_counts(redis_url: str) -> None:
    """Neither list, nor fallback, nor page, nor feed, nor stream, nor latest; the same list of another site does."""
    async with newsroom(redis_url) as reader:
        for query in ("", "?limit=1", "?fallback=true", "?section=-none", "?offset=1"):
            answer = await reader.get(SECRET + query)
            assert (answer.status, numbers(answer.json), b"77" in answer.body) == (200, set(), False), query
        assert b"77" not in (await reader.get(f"{SECRET}/feed.rss")).body
        assert numbers((await reader.get("/v1/discret/popular/latest/24h")).json) == set()
        async with listening(reader, f"{SECRET}/stream") as events:
            event = await events.next()
            assert (event.kind, numbers(event.data), len(event.data["items"])) == ("list", set(), 1)
        assert numbers((await reader.get(LIST)).json) == {"count", "share", "total"}


async def test_min_count_would_tell(redis_url: str) -> None:
    """A filter by counts finds them out by trying: refused, together with every other fault; 0 asks nothing."""
    async with newsroom(redis_url) as reader:
        for route in ("", "/feed.rss", "/stream"):
            answer = await reader.get(f"{SECRET}{route}?min_count=5&x=1")
            assert answer.status == 400
            assert [fault["parameter"] for fault in answer.json["faults"]] == ["x", "min_count"]
        assert (await reader.get(f"{SECRET}?min_count=0")).status == 200
        answer = await reader.get(f"{SECRET}?min_count=78", Authorization=BEARER)
        assert (answer.status, answer.json["items"]) == (200, [])


async def test_the_token_shows(redis_url: str) -> None:
    """For one answer alone: nobody may keep it, and memory does not, whichever client comes first."""
    async with newsroom(redis_url) as reader:
        for _ in range(2):
            shown = await reader.get(SECRET, Authorization=BEARER)
            assert numbers(shown.json) == {"count", "share", "total"}
            assert shown.headers["cache-control"] == "private, no-store"
            hidden = await reader.get(SECRET)
            assert numbers(hidden.json) == set()
            assert re.match("public, ", hidden.headers["cache-control"])
            assert hidden.headers["etag"] != shown.headers["etag"]
            # A shared cache would answer the next token with what it kept for those without one.
            assert hidden.headers["vary"] == shown.headers["vary"] == "accept-encoding, authorization"
        tag = shown.headers["etag"]
        assert (await reader.get(SECRET, Authorization=BEARER, If_None_Match=tag)).status == 304
        assert (await reader.get(SECRET, If_None_Match=tag)).status == 200
        assert all(b'"count":77' not in entry._body.content for entry in reader.web.app._entries.values())


async def test_streams_apart(redis_url: str) -> None:
    """Who has the token and who has not listen to the same list, and hear different things."""
    async with (
        newsroom(redis_url) as reader,
        listening(reader, f"{SECRET}/stream", Authorization=BEARER) as shown,
        listening(reader, f"{SECRET}/stream") as hidden,
    ):
        assert (await shown.next()).data["items"][0]["count"] == 77
        assert (await hidden.next()).data["items"][0]["count"] is None


async def test_another_token(redis_url: str) -> None:
    """401 wherever it is sent, with nothing of the list; if a site has no token, sending one changes nothing."""
    async with newsroom(redis_url) as reader:
        for token in ("nope", TOKEN[:-1], TOKEN + "x", "é", ""):
            for route in ("", "/feed.rss", "/stream"):
                await refused(reader, SECRET + route, f"Bearer {token}")
        assert (await reader.get(SECRET, Authorization="Basic ZTpm")).status == 200
        assert (await reader.get(LIST, Authorization="Bearer whatever")).json["items"][0]["count"] == 320


async def test_a_token_that_is_none_is_answered_from_memory(redis_url: str) -> None:
    """If a site has no token, or another one, sending one costs what sending none does, and is answered the same."""
    async with newsroom(redis_url) as reader:
        hot = reader.web.app

        def at_once(target: str, *authorization: bytes) -> bytes | None:
            answer = hot.at_once(target.encode(), [(b"authorization", value) for value in authorization])
            return answer and b"".join(answer)

        async def kept(target: str, sent: str, *tokens: bytes | None) -> list[bytes]:
            """The answers from memory to these tokens, after a request with `sent`; a refresh in between ends them."""

            async def all_from_memory() -> list[bytes]:
                await reader.get(target, **({"Authorization": sent} if sent else {}))
                answers = [at_once(target) if token is None else at_once(target, token) for token in tokens]
                return [answer for answer in answers if answer] if all(answers) else []

            answers: list[bytes] = await until(all_from_memory, "answer from memory")
            return answers

        for target in (LIST, SECRET):
            reader.web.app._entries.clear()
            assert at_once(target) is None
            plain, same = await kept(target, "Basic ZTpm", None, b"Basic ZTpm")
            assert plain == same
        plain, same = await kept(LIST, "", None, b"Bearer whatever")
        assert plain == same
        for token in (b"Bearer nope", b"bearer " + TOKEN[:-1].encode(), b"Bearer", b"Bearer \xe9"):
            (denied,) = await kept(SECRET, "", token)
            head, _, body = denied.partition(b"\r\n\r\n")
            cold = await reader.get(f"{SECRET}?limit=3", Authorization=token.decode("latin-1"))
            assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 401 Unauthorized", cold.body)
            assert b"www-authenticate: Bearer" in head.split(b"\r\n")
            assert b"cache-control: no-store" in head.split(b"\r\n")
        assert at_once(SECRET, BEARER.encode()) is None
        assert at_once(SECRET, BEARER.encode(), b"Bearer nope") is None


async def refused(reader: Reader, target: str, authorization: str) -> None:
    answer: Answer = await reader.get(target, Authorization=authorization)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), authorization
    assert set(orjson.loads(answer.body)) == {"type", "title", "status", "detail"}
