"""`python -m tests.bench.posting PORT KEY EVENTS CONNECTIONS REQUESTS SECONDS`: posts events over kept connections.

Each connection sends its next request when the one before was answered, and connects again if it is cut; a request
whose answer is lost is not sent again. Ends when REQUESTS were accepted, or after so many seconds. Prints a Posted as
JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import sys
import time

import orjson
import uvloop

from tests.bench.figures import percentile

ARTICLES = 1_000


def event_id(number: int) -> str:
    """As random as any, so that it takes its place on disk."""
    return hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest()


def request(number: int, count: int, key: str) -> bytes:
    """A request of so many events; the first one's number is `number` times `count`."""
    first = number * count
    body = orjson.dumps(
        [{"article_id": f"/articles/{n % ARTICLES:05d}", "event_id": event_id(n)} for n in range(first, first + count)]
    )
    head = (
        f"POST /v1/events HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    )
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def main(port: int, key: str, count: int, connections: int, requests: int, seconds: float) -> dict[str, object]:
    """What came of it, by the names of Posted."""
    took: list[float] = []
    accepted: list[int] = []
    refused = unanswered = 0
    lost_at: float | None = None
    away_s = 0.0
    began = time.perf_counter()
    numbers = itertools.count()

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)

    async def post() -> None:
        nonlocal refused, unanswered, lost_at, away_s
        reader, writer = await connect()
        for number in numbers:
            if (asked := time.perf_counter()) > began + seconds or len(accepted) >= requests:
                break
            try:
                writer.write(request(number, count, key))
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
            except (OSError, EOFError):
                unanswered += 1
                lost_at = lost_at or time.perf_counter()
                writer.close()
                reader, writer = await connect()
                continue
            answered = time.perf_counter()
            if lost_at is not None and asked > lost_at:
                away_s += answered - lost_at
                lost_at = None
            if head.startswith(b"http/1.1 202"):
                accepted.append(number)
                took.append(1000 * (answered - asked))
            else:
                refused += 1
        writer.close()

    await asyncio.gather(*(post() for _ in range(connections)))
    return {
        "seconds": time.perf_counter() - began,
        "away_s": away_s,
        "p50_ms": percentile(took, 0.50),
        "p99_ms": percentile(took, 0.99),
        "accepted": accepted,
        "refused": refused,
        "unanswered": unanswered,
    }


if __name__ == "__main__":
    port, key, count, connections, requests, seconds = sys.argv[1:]
    result = uvloop.run(main(int(port), key, int(count), int(connections), int(requests), float(seconds)))
    sys.stdout.write(orjson.dumps(result).decode() + "\n")
