"""The life of `producers collect`: wrong use, its admin port, its end while Kafka does not answer."""

import asyncio
import http.client
import os
import signal
import sys
from pathlib import Path

import pytest

from deploy.local import children, waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port, is_listening
from tests.bench import processes
from tests.support.collector_process import SITES, collector, new_topic, records


def ended(tmp_path: Path, *words: str, config: str = SITES, **environ: str) -> tuple[int, str]:
    """Exit code and output of a collector that does not come to serve."""
    file = tmp_path / "ranker.toml"
    file.write_text(config)
    argv = (sys.executable, "-W", "error", "-c", "from producers.commands import main; main(prog_name='producers')")
    usual = ("--config", str(file), "--spool", str(tmp_path / "spool"), "--port", "0", "--admin-port", "0")
    nowhere = {"RANKER_KAFKA_BOOTSTRAP": f"{HOST}:{free_port()}"}
    log = tmp_path / f"ended-{os.urandom(4).hex()}.log"
    child = children.run(
        "collector", [*argv, "collect", *usual, *words], log, processes.environment() | nowhere | environ
    )
    code = child.returncode()
    assert code is not None
    return code, log.read_text()


@pytest.mark.parametrize(
    ("words", "environ", "config", "code", "said"),
    [
        ([], {}, "", 2, "no site has events to collect"),
        ([], {}, "[sites.demo]\norigin = []", 2, "unknown key origin; did you mean origins"),
        ([], {"RANKER_WRITE_KEYS": "demo=secret"}, SITES, 2, "RANKER_WRITE_KEYS: entry 1 is not site=secret"),
        ([], {"RANKER_WRITE_KEYS": "@/no/such/file"}, SITES, 2, "/no/such/file cannot be read"),
        pytest.param(
            [],
            {"RANKER_REDIS_URL": "rdeis://x"},
            SITES + "[sites.v]\nvisitors = true",
            2,
            "RANKER_REDIS_URL: 'rdeis://x' must start with",
            marks=pytest.mark.long,
        ),
        pytest.param(
            [],
            {"RANKER_REDIS_URL": "rdeis://x"},
            SITES + '[rules]\npreset = "press"',
            2,
            "RANKER_REDIS_URL: 'rdeis://x' must start with",
            marks=pytest.mark.long,
        ),
        pytest.param(
            [],
            {},
            SITES + '[rules]\ninternal_networks = ["10.0.0.1/8"]',
            2,
            "rules.internal_networks: '10.0.0.1/8' is no address or network (10.0.0.1/8 has host bits set); write such",
            marks=pytest.mark.long,
        ),
        pytest.param([], {}, SITES + "[collect]\nspool_mb = 1", 2, "spool", marks=pytest.mark.long),
        (["--name", "Müller"], {}, SITES, 2, "'Müller' is no name; it has 1 to 64 of a-z 0-9 . -"),
        (["--port", "x"], {}, SITES, 2, "'x' is not a valid integer"),
    ],
)
def test_wrong_use(
    words: list[str], environ: dict[str, str], config: str, code: int, said: str, tmp_path: Path
) -> None:
    """A sentence that says what to do, no traceback, no secret."""
    found, output = ended(tmp_path, *words, config=config, **environ)
    assert found == code
    assert said in output
    assert "Traceback" not in output
    assert "=secret,…" in output or "demo=secret" not in output


def test_what_is_taken(tmp_path: Path) -> None:
    """Ports and spool have one owner."""
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path / "first") as first:
        for option, port in (("--port", first.port), ("--admin-port", first.admin_port)):
            code, output = ended(tmp_path, option, str(port))
            assert code == 1
            assert f"port {HOST}:{port} cannot be bound" in output
            assert f"choose another with {option}" in output
        code, output = ended(tmp_path, "--spool", str(first.spool))
        assert code == 1
        assert "in use by another process" in output


def test_the_admin_port(tmp_path: Path) -> None:
    """Healthy, ready (the spool takes what Kafka does not), and what is counted."""
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path) as running:
        assert running.admin("/healthz").json == {"status": "ok"}
        assert running.admin("/readyz").json == {"ready": True, "reasons": []}
        assert running.admin("/").status == 404
        assert running.page({"article_id": "/a"}).status == 202
        names = ("kafka_up", "spool_events", "spool_nearly_full")
        assert [running.metric(name) for name in names] == [0, 1, 0]
        limit = running.metric("spool_limit_bytes")
        assert (limit, 0 < running.metric("spool_bytes") < limit / 100) == (1024 << 20, True)
        waiting.until("The event's age", lambda: 0.1 < running.metric("spool_oldest_seconds") < 30)
        assert running.metric("events_total", to="spool") == 1
        assert running.metric("requests_total", route="/v1/events", status="202") == 1
        assert running.metric("request_duration_seconds_count", route="/v1/events") == 1


def test_the_admin_port_stays_where_it_is_when_the_public_one_opens(tmp_path: Path) -> None:
    """--host 0.0.0.0 opens the public port on every address, the admin port on loopback's first one only."""
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path, host="0.0.0.0") as running:
        assert is_listening(running.port, "127.0.0.2")
        assert is_listening(running.admin_port, HOST)
        assert not is_listening(running.admin_port, "127.0.0.2")


def test_an_idle_connection_does_not_hold_it(tmp_path: Path) -> None:
    """SIGTERM ends the process in a few seconds, with 0."""
    with collector(f"{HOST}:{free_port()}", "nowhere", tmp_path) as running:
        connection = http.client.HTTPConnection(HOST, running.port)
        connection.request("GET", "/")
        connection.getresponse().read()
        running.child.process.send_signal(signal.SIGTERM)
        waiting.until("Its end", lambda: running.child.returncode() is not None, 4.0)
        assert running.child.returncode() == 0
        connection.close()


async def test_the_answer_under_way_is_given(kafka_apache: ApacheKafka, tmp_path: Path) -> None:
    """
    Kafka hangs │ POST … │ SIGTERM │ 202 from the disk │ end with 0 │ Kafka goes on │ start │ the event, numbered
    """
    topic = await new_topic(kafka_apache.bootstrap, "collect.term")
    with collector(kafka_apache.bootstrap, topic, tmp_path) as running:
        assert (await asyncio.to_thread(running.page, {"article_id": "/a"})).status == 202
        kafka_apache.suspend()
        post = asyncio.create_task(asyncio.to_thread(running.page, {"article_id": "/b", "event_id": "late"}))

        def under_way() -> bool:
            return running.metric("connections") == 1

        await asyncio.to_thread(waiting.until, "The request", under_way)
        running.child.process.send_signal(signal.SIGTERM)
        assert (await post).status == 202
        await asyncio.to_thread(waiting.until, "Its end", lambda: running.child.returncode() is not None, 10.0)
        assert running.child.returncode() == 0
        kafka_apache.resume()
        running.start()
        await asyncio.to_thread(waiting.until, "The spool's end", lambda: running.metric("spool_events") == 0)
        # A request that hung in the broker's socket may have been written too, under the same id.
        found = await records(running.bootstrap, running.topic, 2, at_least=True)
        assert {record.event["article_id"] for record in found} == {"/a", "/b"}
        assert {record.event["event_id"] for record in found if record.event["article_id"] == "/b"} == {"late"}
        assert len(found) <= 2 + running.metric("resent_events_total")
