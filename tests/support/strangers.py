"""The dearest requests that a stranger can send, for the bench that keeps their table and the test that bounds them.

Each is made from a number, so that no two are answered from memory if that can be avoided.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.local.ports import HOST
from tests.bench import processes

Made = Callable[[int], bytes]
AT_ONCE = 40
MOST_CPU_MS = 10
MOST_TIMES = 64
"""Of what is refused; lists, pages and scripts have a size of their own, whatever the request's."""
_QUERY_BYTES = 8_100
_HEAD_BYTES = 15_000


@dataclass(frozen=True)
class Stranger:
    """One kind of request. `document`: it is answered with a page, list or script, whose size is its own.

    `wide`: a list of 1,000 places, whose cost stands apart.
    """

    make: Made
    document: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Reply:
    """`times`: bytes of the answer to bytes of the request."""

    status: int
    size: int
    times: float


@dataclass(frozen=True)
class Cost:
    """Of one request, in CPU of the server, what it does anyway left out."""

    cpu_ms: float
    replies: Sequence[Reply]


async def idle(pid: int, seconds: float) -> float:
    """The share of a core that a process takes while nobody asks."""
    cpu, began = processes.cpu_s(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    return (processes.cpu_s(pid) - cpu) / (time.perf_counter() - began)


async def cost(port: int, pid: int, stranger: Stranger, idle_share: float, at_once: int = AT_ONCE) -> Cost:
    """Of so many that are sent at once, each on a connection of its own."""
    cpu, began = processes.cpu_s(pid), time.perf_counter()
    replies = await asyncio.gather(*(_sent(port, stranger.make(number)) for number in range(at_once)))
    took = time.perf_counter() - began
    return Cost(1000 * (processes.cpu_s(pid) - cpu - idle_share * took) / at_once, replies)


async def _sent(port: int, request: bytes) -> Reply:
    """The whole answer; of one without an end, what comes with its first list."""
    reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 20)
    try:
        async with asyncio.timeout(60):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = b""
            if length := re.search(rb"\r\ncontent-length: (\d+)", head):
                body = await reader.readexactly(int(length[1]))
            elif b"text/event-stream" in head:
                body = await reader.readuntil(b"event: list") + await reader.readuntil(b"\n\n")
            size = len(head) + len(body)
            return Reply(int(head.split()[1]), size, size / len(request))
    finally:
        writer.close()


def get(target: str, *lines: str, method: str = "GET") -> bytes:
    """A whole request on a connection that is kept."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: t", *lines, "", ""]).encode("latin-1")


def _full(start: str, piece: str, most: int = _QUERY_BYTES) -> str:
    """`piece` again and again, numbered if it has a place for that, until the whole is as long as may be."""
    parts, length, number = [start], len(start), 0
    while length + len(part := piece.format(number)) <= most:
        parts.append(part)
        length += len(part)
        number += 1
    return "".join(parts)


def of_reader(site: str, sections: Sequence[str], article: str) -> Mapping[str, Stranger]:
    """Requests for a reader of `site`, whose catalogue has `sections`; `article` stands in its lists."""
    home = f"/v1/{site}"
    path = f"{home}/popular/read/24h"
    latest = f"{home}/popular/latest/7d"
    some = "&".join(f"section={name}" for name in sections[:2])
    ways = {
        "no such address": lambda n: get(f"/nothing/{n}"),
        "an address of 15 kB": lambda n: get(f"/v1/{n}{'x' * _HEAD_BYTES}/popular/read/24h"),
        "an address of escapes": lambda n: get(_full(f"/v1/{n}", "%00", _HEAD_BYTES) + "/popular/read/24h"),
        "an unknown site": lambda n: get(f"/v1/nobody-{n}/popular/read/24h"),
        "an unknown site's latest": lambda n: get(f"/v1/nobody-{n}/popular/latest/24h"),
        "an unknown site on the page": lambda n: get(f"/?site=nobody-{n}"),
        "an unknown board and window": lambda n: get(f"{home}/popular/a{n}/b"),
        "4,000 unknown parameters": lambda n: get(_full(f"{path}?a{n}", "&b")),
        "unknown parameters with names": lambda n: get(_full(f"{path}?a{n}", "&name-{}=value")),
        "an unknown parameter of 8 kB": lambda n: get(_full(f"{path}?a{n}", "x")),
        "a value of 8 kB": lambda n: get(_full(f"{path}?limit={n}", "x")),
        "a value of escapes": lambda n: get(_full(f"{path}?limit={n}", "%00")),
        "one parameter 1,000 times": lambda n: get(_full(f"{path}?limit={n}", "&limit=0")),
        "100 wrong values": lambda n: get(f"{path}?exclude=a%20{n}" + "".join(f"&exclude=%20{i}" for i in range(99))),
        "a query beyond 8 kB": lambda n: get(f"{path}?section={n}{'x' * 9_000}"),
        "min_count of nobody's": lambda n: get(f"{path}?min_count=-{n}"),
        "an article without its id": lambda n: get(f"{home}/article?n={n}"),
        "an article of an unknown id": lambda n: get(f"{home}/article?id=/nothing-{n}"),
        "an unknown id of 512 bytes": lambda n: get(f"{home}/article?id=/{n}{'x' * 500}"),
        "periods that are not there": lambda n: get(f"{home}/best-of/week/20{n:02d}-01-01.mail.html"),
        "faults of a period without end": lambda n: get(_full(f"{home}/best-of/year/{n}?board=A&limit=0", "&b")),
        "a wrong method": lambda n: get(path, "Content-Length: 0", method="POST"),
        "a wrong version": lambda n: f"GET {path} HTTP/3.7\r\nHost: t\r\n\r\n".encode(),
        "no HTTP": lambda n: b"hello\r\n\r\n",
        "a head of 17 kB": lambda n: get(path, f"X-Long: {'x' * 17_000}"),
    }
    documents = {
        "a list": lambda n: get(f"{path}?limit={1 + n}"),
        "a list as HTML": lambda n: get(f"{path}?render=html&limit={1 + n}"),
        "a feed": lambda n: get(f"{path}/feed.rss?limit={1 + n}"),
        "a list from memory": lambda n: get(path),
        "a token where there is none": lambda n: get(path, f"Authorization: Bearer {n}"),
        "a range": lambda n: get(path, f"Range: bytes={n}-{n + 1}," + "0-0," * 3_000 + "1-1"),
        "an upgrade": lambda n: get(path, "Connection: upgrade", "Upgrade: h2c"),
        "encodings without end": lambda n: get(path, "Accept-Encoding: " + "," * _HEAD_BYTES),
        "encodings with weights": lambda n: get(path, "Accept-Encoding: " + "br;q=0.5, " * (_HEAD_BYTES // 10)),
        "tags without end": lambda n: get(path, "If-None-Match: " + "," * _HEAD_BYTES),
        "tags in 1,000 lines": lambda n: get(path, *(["If-None-Match: x"] * 800)),
        "1,000 headers": lambda n: get(path, *[f"x{i}: y" for i in range(1_500)]),
        "origins": lambda n: get(path, f"Origin: https://{n}.example"),
        "a stream": lambda n: get(f"{path}/stream?limit={1 + n}", f"X-Forwarded-For: 10.0.0.{n}"),
        "a stream with a filter": lambda n: get(f"{path}/stream?{some}&min_count={n}", f"X-Forwarded-For: 10.0.0.{n}"),
        "a filter": lambda n: get(f"{path}?{some}&min_count={n}"),
        "a filter as HTML": lambda n: get(f"{path}?render=html&limit=100&{some}&min_count={n}"),
        "a filter as a feed": lambda n: get(f"{path}/feed.rss?limit=100&{some}&min_count={n}"),
        "a filter that fits nothing": lambda n: get(f"{path}?section=no-{n}"),
        "the same, filled up": lambda n: get(f"{path}?section=no-{n}&fallback=true&limit=100"),
        "100 sections and formats": lambda n: get(
            f"{path}?limit=100&section=-a{n}" + "".join(f"&section=-{i}&format=-{i}" for i in range(99))
        ),
        "excludes without end": lambda n: get(
            f"{path}?limit=100&fallback=true&exclude=/{n}" + "".join(f"&exclude=/{i:060d}" for i in range(99))
        ),
        "the newest that fit nothing": lambda n: get(f"{latest}?section=no-{n}&fallback=true"),
        "the newest within a year": lambda n: get(f"{latest}?section=no-{n}&published_within=366d&fallback=true"),
        "a receipt": lambda n: get(f"{path}?receipt=true&limit={1 + n}"),
        "a receipt of a filter that fits nothing": lambda n: get(
            f"{path}?receipt=true&section=no-{n}&fallback=true&limit=100"
        ),
        "an article explained": lambda n: get(f"{home}/article?id={article}&places={1 + n}"),
        "what a site has": lambda n: get(home),
        "the page": lambda n: get("/"),
        "the page with a filter": lambda n: get(f"/?section=no-{n}&format=a"),
        "the description": lambda n: get("/docs"),
        "the description as YAML": lambda n: get("/docs/openapi.yaml"),
        "the block's script": lambda n: get("/block.js"),
        "a preflight": lambda n: get(path, f"Origin: https://{n}.example", method="OPTIONS"),
    }
    wide = {
        "1,000 places": lambda n: get(f"{path}?limit={1000 - n}"),
        "1,000 places, filled up": lambda n: get(f"{path}?limit={1000 - n}&fallback=true"),
        "1,000 places as HTML": lambda n: get(f"{path}?render=html&limit={1000 - n}"),
        "1,000 places of a filter": lambda n: get(f"{path}?limit={1000 - n}&section=-no"),
    }
    return {
        **{name: Stranger(make) for name, make in ways.items()},
        **{name: Stranger(make, document=True) for name, make in documents.items()},
        **{name: Stranger(make, document=True, wide=True) for name, make in wide.items()},
    }


def post(body: str | bytes, *lines: str, origin: str = "https://www.demo.example", target: str = "/v1/events") -> bytes:
    """Events of a page of `origin`."""
    content = body.encode() if isinstance(body, str) else body
    head = get(target, f"Origin: {origin}", f"Content-Length: {len(content)}", *lines, method="POST")
    return head + content


def _addresses(number: int, piece: str) -> str:
    """Events of such addresses of 8 kB, as many as a body may have."""
    address = f"/{number}{piece * (_QUERY_BYTES // len(piece))}"
    event = f'{{"article_id":"{address}"}}'
    return "[" + ",".join([event] * (65_000 // (len(event.encode()) + 1))) + "]"


def _bulk(query: str) -> str:
    """100 beacons of Matomo's."""
    return '{"requests":[' + ",".join([f'"?{query}"'] * 100) + "]}"


def of_collector() -> Mapping[str, Stranger]:
    """Requests for a collector that takes events of pages of https://www.demo.example."""
    kind = "Content-Type: text/plain"
    most = 65_000

    chunked = get("/v1/events", "Origin: https://www.demo.example", kind, "Transfer-Encoding: chunked", method="POST")
    ways = {
        "no such address": lambda n: get(f"/nothing/{n}"),
        "an address of 15 kB": lambda n: get(f"/{n}{'x' * _HEAD_BYTES}"),
        "another origin": lambda n: post("{}", kind, origin=f"https://{n}.example"),
        "a wrong key": lambda n: post("{}", kind, f"Authorization: Bearer {n}"),
        "no JSON": lambda n: post("x" * most, kind),
        "brackets without end": lambda n: post("[" * most, kind),
        "nested arrays": lambda n: post("[" * 500 + "]" * 500, kind),
        "500 numbers": lambda n: post("[" + "1," * 499 + "1]", kind),
        "500 empty events": lambda n: post("[" + "{}," * 499 + "{}]", kind),
        "499 empty events and one": lambda n: post(f'[{{"article_id":"/{n}"}}' + ",{}" * 499 + "]", kind),
        "500 long ids": lambda n: post("[" + ",".join(['{"article_id":"%s"}' % ("x" * 100 + " ")] * 500) + "]", kind),
        "addresses of escapes": lambda n: post(_addresses(n, "%C3a"), kind),
        "addresses of blanks": lambda n: post(_addresses(n, " a"), kind),
        "addresses of marks": lambda n: post(_addresses(n, "\u0301\u0316"), kind),
        "addresses of segments": lambda n: post(_addresses(n, "a/b/../"), kind),
        "500 wrong types": lambda n: post("[" + ",".join(['{"article_id":"/a","event_type":"É"}'] * 500) + "]", kind),
        "ids of another type": lambda n: post("[" + ",".join(['{"article_id":[[[]]]}'] * 500) + "]", kind),
        "names that come twice": lambda n: post('{"a":1,"a":2' + ',"a":1' * 10_000 + "}", kind),
        "10,000 unknown fields": lambda n: post("{" + ",".join(f'"f{i}":0' for i in range(6_000)) + "}", kind),
        "escapes": lambda n: post('{"article_id":"' + "\\u0000" * 10_000 + '"}', kind),
        "more events than may be": lambda n: post("[" + "1," * 30_000 + "1]", kind),
        "another kind of content": lambda n: post("x" * most, "Content-Type: " + ";a" * 4_000),
        "chunks of a byte": lambda n: chunked + b"1\r\nx\r\n" * 24_000 + b"0\r\n\r\n",
        "a bulk of parameters": lambda n: post(_bulk("%C3%A9=%C3%A9&" * 45), target="/matomo.php"),
        "a form of parameters": lambda n: post("a&" * 32_000, target="/matomo.php"),
        "a beacon of domains": lambda n: post(
            '{"n":"pageview","u":"/","d":"' + "a," * 30_000 + '"}{', target="/api/event"
        ),
        "an image of 15 kB": lambda n: get("/v1/view.gif?" + "a&" * 7_000, "Origin: https://www.demo.example"),
        "a wrong method": lambda n: get("/v1/events", method="PUT"),
        "no HTTP": lambda n: b"hello\r\n\r\n",
        "a head of 17 kB": lambda n: get("/", f"X-Long: {'x' * 17_000}"),
        "1,000 headers": lambda n: get("/v1/events", *[f"x{i}: y" for i in range(1_500)]),
    }
    documents = {
        "what there is": lambda n: get("/"),
        "the tracker": lambda n: get("/tracker.js"),
        "encodings without end": lambda n: get("/tracker.js", "Accept-Encoding: " + "," * _HEAD_BYTES),
        "encodings of blanks": lambda n: get("/tracker.js", "Accept-Encoding: " + "gzip" + " " * _HEAD_BYTES + "x"),
        "tags without end": lambda n: get("/tracker.js", "If-None-Match: " + "," * _HEAD_BYTES),
        "a bulk of blanks": lambda n: post(_bulk(f"idsite=3&rec=1&url=/{n}" + "+a" * 280), target="/matomo.php"),
        "a preflight": lambda n: get("/v1/events", "Origin: https://www.demo.example", method="OPTIONS"),
    }
    return {
        **{name: Stranger(make) for name, make in ways.items()},
        **{name: Stranger(make, document=True) for name, make in documents.items()},
    }
