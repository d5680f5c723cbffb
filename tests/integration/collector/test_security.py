"""What strangers may send: no 5xx, no memory, no key but the one that is meant."""

import asyncio
import gzip
import re
import subprocess
import sysconfig
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

import schemas
from deploy.local import children, waiting
from deploy.local.children import Child
from producers.client.batches import Homes
from tests.bench import processes
from tests.support.collector_process import KEY, ORIGIN, PARTITIONS, SITES, Collector, collector, new_topic, records
from tests.support.kafka_at import kafka_environ

GENEROUS = SITES + "[collect]\nclient_events_s = 1000000\nclient_burst = 1000000\nkey_events_s = 1000000\n"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
"""Not whether what the schema allows is accepted: that is a question of rights."""


@pytest.fixture(scope="module")
def topic(kafka_embedded: str) -> str:
    return asyncio.run(new_topic(kafka_embedded, "collect.security"))


@pytest.fixture(scope="module")
def running(kafka_embedded: str, topic: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(kafka_embedded, topic, tmp_path_factory.mktemp("collector"), GENEROUS) as one:
        yield one


@pytest.mark.parametrize("examples", [15, pytest.param(100, marks=pytest.mark.long)])
@pytest.mark.parametrize("right", [f"Origin: {ORIGIN}", f"Authorization: Bearer {KEY}"], ids=["page", "server"])
def test_schemathesis(running: Collector, right: str, examples: int, tmp_path: Path) -> None:
    """Requests made from the OpenAPI file, valid and not: no 5xx, and nothing is answered that the file does not say."""
    file = tmp_path / "openapi.yaml"
    file.write_bytes(schemas.openapi_collector())
    st = Path(sysconfig.get_path("scripts")) / "st"
    words = ["--checks", ",".join(CHECKS), "--max-examples", str(examples), "--seed", "1", "--generation-deterministic"]
    done = subprocess.run(
        [st, "run", file, "--url", f"http://{running.host}:{running.port}", "--header", right, *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-6_000:]
    assert "Tested: 18" in done.stdout
    assert running.child.returncode() is None
    assert '"error"' not in running.log.read_text()


def test_gzip_bombs(running: Collector) -> None:
    """64 KiB that would be 64 MB: refused by their name, never unpacked, whatever they are called."""
    bomb = gzip.compress(bytes(64_000_000))[:65_000]
    before_kb = memory_kb(running)
    for encoding in ("gzip", "deflate", "br", "x-gzip", "gzip, gzip", "GZIP"):
        assert running.page(bomb, Content_Encoding=encoding).status == 415
    assert running.page(zlib.compress(bytes(1_000_000))).status == 400
    assert running.ask("POST", "/v1/events", None, Origin=ORIGIN, Transfer_Encoding="gzip, chunked").status == 400
    assert memory_kb(running) - before_kb < 10_000


def memory_kb(running: Collector) -> int:
    status = Path(f"/proc/{running.child.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 1_000_000 + b"]" * 1_000_000, 413),
        (b"[" * 60_000, 400),
        (b"[" * 30_000 + b"]" * 30_000, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
        (b'[{"article_id":' + b"[" * 900 + b"]" * 900 + b"}]", 400),
        (b'{"article_id":"\xff\xfe"}', 400),
        (b'{"article_id":"\xc0\xaf"}', 400),
        (b'{"article_id":"\xed\xa0\x80"}', 400),
        (b'{"article_id":"\\ud83d"}', 400),
        (b'{"article_id":"/a","value":NaN}', 400),
        (b'{"article_id":"/a","value":Infinity}', 400),
        (b'{"article_id":"/a","value":1e999}', 400),
        (b'{"article_id":"/a","value":' + b"9" * 60_000 + b"}", 400),
        (b'{"article_id":"/a","occurred_at":' + b"9" * 20 + b"}", 400),
        (b'{"article_id":"/a","occurred_at":-1}', 400),
        (b'{"article_id":"/a","value":1,"value":1000}', 400),
        (b'{"' + b"x" * 60_000 + b'":1}', 400),
        (b'"' + b"\\u0000" * 10_000 + b'"', 400),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value,
)
def test_bodies_that_are_no_events(running: Collector, body: bytes, status: int) -> None:
    """Refused at once, with a key as without; nothing of it is repeated at length."""
    for right in ({"Origin": ORIGIN}, {"Authorization": f"Bearer {KEY}"}):
        begun = time.monotonic()
        answer = running.post(body, **right)
        assert time.monotonic() - begun < 5
        assert answer.status == status
        assert answer.json["detail"].endswith(".")
        assert len(answer.body) < 700
    assert running.ask("GET", "/").status == 200


IDS = [
    "}{",
    "{a}",
    "/a}:{b",
    "#editor",
    "a#editor",
    "a#alias",
    "/a%23editor",
    "/a%0D%0AFLUSHALL",
    "../../active",
    "../other/a",
    "v1/../../x",
    "ranker:active",
    "ranker:collect:salt:2026-11-24",
    "demo/demo/a",
    "meta",
    "strays",
    "!bot",
    "*",
    "?[a-z]",
    "%0d%0aFLUSHALL",
    "$(id)",
    "'--",
    "<script>alert(1)</script>",
    "éèà",
    "𓀀" * 128,
]
"""Ids that the contract allows, and that would be something else if anybody built a name out of them unchecked."""
NO_IDS = ["a\r\nFLUSHALL", "\r\n", "a\x00b", "a b", "\u202e", "", "𓀀" * 129]


@pytest.mark.long
async def test_ids_are_nothing_but_ids(kafka_embedded: str, redis_url: str, tmp_path: Path) -> None:
    """Through to Redis: each is a member of a list under its own name, and no key has any of it in its name."""
    topic = await new_topic(kafka_embedded, "collect.ids")
    with collector(kafka_embedded, topic, tmp_path, GENEROUS) as running:
        answer = running.page([{"article_id": one} for one in [*IDS, *NO_IDS]])
        assert (answer.status, answer.json["accepted"]) == (207, len(IDS))
        assert [one["index"] for one in answer.json["rejected"]] == list(range(len(IDS), len(IDS) + len(NO_IDS)))
        for site_id in ("other}", "{demo}", "demo/x", "DEMO", "demo\r\n"):
            assert (
                running.page({"article_id": "/a", "site_id": site_id}).json["rejected"][0]["reason"] == "foreign_site"
            )
    found = await records(kafka_embedded, topic, len(IDS))
    homes = Homes(PARTITIONS)
    assert {record.key.decode() for record in found} == {f"demo/{one}" for one in IDS}
    assert all(record.partition == homes[record.key] for record in found)
    assert all(record.key.decode() == f"demo/{record.event['article_id']}" for record in found)
    await counted(kafka_embedded, topic, redis_url, tmp_path)


async def counted(bootstrap: str, topic: str, redis_url: str, tmp_path: Path) -> None:
    config = tmp_path / "counting.toml"
    config.write_text(f'topic = "{topic}"\n[kafka]\naccept_create_time = true\n')
    env = {**processes.environment(), **kafka_environ(bootstrap), "RANKER_REDIS_URL": redis_url}
    argv = processes.ranker("consume", "--config", str(config), "--admin-port", "0")
    child: Child = children.start("consume", argv, tmp_path / "consume.log", env)
    try:
        async with Redis.from_url(redis_url) as opened:
            client: Any = opened

            async def totals() -> dict[str, float]:
                assert child.returncode() is None, child.tail()
                names = [key for key in await client.keys("*") if await client.type(key) == b"zset"]
                return {
                    member.decode(): score
                    for key in names
                    if b"24h" in key and b"read" in key
                    for member, score in await client.zrange(key, 0, -1, withscores=True)
                }

            async def all_there() -> Any:
                return len(await totals()) == len(IDS)

            await waiting.until_async("Counts of all ids", all_there, 60.0)
            assert await totals() == dict.fromkeys(IDS, 1.0)
            keys = [key.decode() for key in await client.keys("*")]
    finally:
        child.kill()
    tags = {tag for key in keys for tag in re.findall(r"\{([^{}]*)\}", key)}
    assert len(tags) in (PARTITIONS, PARTITIONS + 1)
    shape = re.compile(r"ranker:[a-z0-9:._-]*(\{[a-z0-9:._-]+\}[a-z0-9:._-]*)?")
    assert [key for key in keys if not shape.fullmatch(key)] == []
