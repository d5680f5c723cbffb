"""The local servers keep what the tests and `make run` rely on."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local import children, waiting
from deploy.local.directories import remove_left_behind, run_directory
from deploy.local.faults import LocalFault, MissingTool
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import free_port, is_free
from deploy.local.redis import RedisServer
from deploy.local.redis_cluster import RedisCluster
from deploy.local.supervisor import Supervisor

CHECKOUT = Path(__file__).parents[3]


async def create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def write(bootstrap: str, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read_all(bootstrap: str, topic: str) -> list[bytes]:
    """Read partition 0 from its start to its end, without a group."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while len(values) < end:
            records = await consumer.getmany(partition, timeout_ms=1000)
            values += [record.value for record in records.get(partition, [])]
        return values
    finally:
        await consumer.stop()


@pytest.mark.parametrize("fixture", ["redis_server", "valkey_server"])
def test_a_store_is_as_production_has_it(fixture: str, request: pytest.FixtureRequest) -> None:
    """AOF fsynced every second, nothing evicted, and version 7.0 or newer."""
    server: RedisServer = request.getfixturevalue(fixture)
    with server.client() as client:
        assert client.config_get("appendfsync")["appendfsync"] == "everysec"
        info = client.info()
        assert info["aof_enabled"] == 1
        assert info["maxmemory_policy"] == "noeviction"
        assert int(info["redis_version"].split(".")[0]) >= 7


def test_a_redis_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    """stop and start find the same data on the same port."""
    server = RedisServer(tmp_path)
    server.start()
    url = server.url
    with server.client() as client:
        client.set("kept", "yes")
    server.stop()
    assert not server.running
    server.start()
    with server.client() as client:
        assert client.get("kept") == b"yes"
    assert server.url == url
    server.stop()


def test_a_suspended_redis_answers_nothing_until_resumed(redis_server: RedisServer) -> None:
    """suspend freezes it with its connections open; resume wakes it."""
    impatient = redis.Redis(port=redis_server.port, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    with impatient:
        assert impatient.ping()
        redis_server.suspend()
        with pytest.raises(redis.exceptions.TimeoutError):
            impatient.ping()
        redis_server.resume()
    assert waiting.until("An answer", redis_server.answers, 5.0)


def test_a_stopped_server_ends_even_if_suspended(tmp_path: Path) -> None:
    """stop wakes what it ends: a test that failed in between leaves nothing frozen."""
    server = RedisServer(tmp_path)
    server.start()
    server.suspend()
    server.stop()
    assert not server.running


def test_the_cluster_spreads_keys_over_all_nodes(redis_cluster: RedisCluster, redis_cluster_url: str) -> None:
    """Every slot is served, by three nodes."""
    assert redis_cluster_url.startswith("redis+cluster://127.0.0.1:")
    with redis.RedisCluster(host="127.0.0.1", port=redis_cluster.nodes[0].port) as client:
        for number in range(60):
            client.set(f"key-{number}", number)
    sizes = []
    for node in redis_cluster.nodes:
        with node.client() as client:
            sizes.append(client.dbsize())
    assert sum(sizes) == 60
    assert all(sizes)


async def test_the_embedded_broker_gives_back_what_it_got(kafka_embedded: str) -> None:
    """A record written is read at its place."""
    await create(kafka_embedded, "given-back")
    await write(kafka_embedded, "given-back", b"hello")
    assert await read_all(kafka_embedded, "given-back") == [b"hello"]


@pytest.mark.long
async def test_apache_kafka_keeps_its_log_over_a_restart(kafka_apache: ApacheKafka) -> None:
    """stop and start find the same log at the same address, with settings changed in between."""
    await create(kafka_apache.bootstrap, "kept")
    await write(kafka_apache.bootstrap, "kept", b"before")
    kafka_apache.restart(message_max_bytes="2000000")
    await write(kafka_apache.bootstrap, "kept", b"after")
    assert await read_all(kafka_apache.bootstrap, "kept") == [b"before", b"after"]


def test_apache_kafka_takes_any_cluster_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose base 64 begins with a dash, which looks like an option."""
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xfb" + bytes(15)))
    kafka = ApacheKafka(tmp_path)
    kafka.format_storage(kafka.write_properties())
    assert "cluster.id=-w" in (tmp_path / "log" / "meta.properties").read_text()


async def test_apache_kafka_creates_no_topic_by_itself(kafka_apache: ApacheKafka) -> None:
    """A mistyped topic name stays an error."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_apache.bootstrap)
    await admin.start()
    try:
        found = await admin.describe_topics(["mistyped"])
        assert [topic["error_code"] for topic in found] == [3]
        assert "mistyped" not in await admin.list_topics()
    finally:
        await admin.close()


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL to the parent, which can then do nothing about it, ends its children, started by whichever thread."""
    program = textwrap.dedent("""
        import sys, threading
        from pathlib import Path
        from deploy.local import children
        here = Path(sys.argv[1])
        started = []
        for _ in range(2):
            thread = threading.Thread(target=lambda: started.append(children.start("sleeper", ["sleep", "600"], here / "log")))
            thread.start()
            thread.join()
        print(*(child.pid for child in started), flush=True)
        threading.Event().wait()
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    assert parent.stdout is not None
    with parent.stdout:
        pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(children.is_running(pid) for pid in pids), "a child died with the thread that started it"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    waiting.until("The end of the children", lambda: not any(map(children.is_running, pids)), 5.0)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_child_whose_parent_died_before_it_could_be_bound_does_not_run() -> None:
    """Nobody would ever signal it: it ends instead, and runs if the parent is the one it was started by."""
    bound = children.bound_to(os.getpid() + 1)
    assert subprocess.run([*bound, "echo", "runs"], capture_output=True).stdout == b""
    bound = children.bound_to(os.getpid())
    assert subprocess.run([*bound, "echo", "runs"], capture_output=True).stdout == b"runs\n"


def test_without_setpriv_no_child_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could outlive a parent that is killed; the sentence names the package."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="apt-get install util-linux"):
        children.start("sleeper", ["sleep", "600"], tmp_path / "log")


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The error names the server and holds its last words."""
    server = RedisServer(tmp_path, extra=("--no-such-setting", "1"))
    with pytest.raises(
        LocalFault, match=r"(?s)The (Redis|Valkey) server ended with code 1; its last words.*no-such-setting"
    ):
        server.start()
    assert not server.running


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """Without servers; its programs end with the test."""
    supervisor = Supervisor(tmp_path, {})
    yield supervisor
    supervisor.stop(5.0)


def test_a_program_that_fails_is_an_error_with_its_last_words(supervisor: Supervisor) -> None:
    """One that is run to its end, such as the history; one that succeeds is missed by nobody afterwards."""
    supervisor.run("history", ["true"])
    supervisor.check()
    with pytest.raises(LocalFault, match=r"The history ended with code 3; its last words:\nno room"):
        supervisor.run("history", ["sh", "-c", "echo no room; exit 3"])


def test_a_death_is_noticed_while_a_program_is_run_to_its_end(supervisor: Supervisor) -> None:
    """It is named at once, and is not the failure of the program that was waited for."""
    supervisor.start("consumer", ["sh", "-c", "exit 4"])
    with pytest.raises(LocalFault, match="The consumer ended with code 4"):
        supervisor.run("history", ["sleep", "600"])


def test_a_run_directory_goes_with_its_run(tmp_path: Path) -> None:
    """It is there within the block and gone after it, and a run beside it does not touch it."""
    with run_directory(tmp_path) as directory:
        (directory / "file").write_text("x")
        assert remove_left_behind(tmp_path) == []
        assert directory.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_the_directory_of_a_killed_run_goes_with_the_next(tmp_path: Path) -> None:
    """What a killed run left is removed when another starts."""
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from deploy.local.directories import run_directory
        with run_directory(Path(sys.argv[1])):
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", program, tmp_path], cwd=CHECKOUT, check=False)
    (left,) = tmp_path.iterdir()
    with run_directory(tmp_path) as directory:
        assert list(tmp_path.iterdir()) == [directory]
    assert not left.exists()


def test_free_ports_are_free_and_differ() -> None:
    """No port is given out twice."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(map(is_free, ports))


@pytest.mark.long
def test_a_process_that_a_test_leaves_fails_the_session(tmp_path: Path) -> None:
    """The suite passes only with every process it started ended; what is left is named, and ended."""
    leaky = tmp_path / "test_leaky.py"
    leaky.write_text(
        "import subprocess\n\ndef test_leaves(): subprocess.Popen(['sh', '-c', 'sleep 613 & exit 0']).wait()\n"
    )
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest"]
    argv += ["-c", str(CHECKOUT / "pyproject.toml"), str(leaky)]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout
    assert re.search(r"left running by a test: \d+ sleep 613", done.stdout)
    assert done.returncode == 1
