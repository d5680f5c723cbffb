"""What deploy/ holds is fit for the tools that read it. deploy/README.md says what could not be run."""

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ruamel.yaml import YAML

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST, free_port
from deploy.local.redis import RedisServer
from ranker.serve.api import streams
from ranker.service import http_server
from schemas import configuration
from tests.support.deploy_tools import CHECKOUT, DEPLOY, FindTool, beside_python, run
from tests.support.nginx import Nginx

OURS = ("topics", "consumer", "reader", "collector", "traffic")
UNTIL_S = 30.0


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of compose.yaml, anchors resolved."""
    found = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]
    assert isinstance(found, dict)
    return found


def test_compose_follows_the_compose_specification() -> None:
    """compose.yaml is valid by the specification's JSON schema."""
    run(beside_python("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_every_container_is_confined(services: dict[str, Any]) -> None:
    """No capabilities, no new privileges, bounded memory and CPU; and no disk but what it is given, Kafka excepted."""
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory"}, name
        assert service.get("read_only") or name == "kafka", name


def test_compose_has_two_of_each_and_starts_them_after_the_topics(services: dict[str, Any]) -> None:
    """Consumers and readers in two replicas, once the one-shot that makes the topics has succeeded."""
    for name in ("consumer", "reader"):
        assert services[name]["deploy"]["replicas"] == 2
        assert services[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("name", OURS)
def test_the_commands_of_compose_are_commands_of_ours(name: str, services: dict[str, Any]) -> None:
    """Every command line in compose.yaml names commands and options that there are."""
    service = services[name]
    (program,) = service.get("entrypoint", ["ranker"])
    words = service["command"]
    named = [word for word in words if not word.startswith("-")]
    subcommand = named[:2] if named[0] == "topics" else named[:1]
    said = run(beside_python(program), *subcommand, "--help")
    for option in (word for word in words if word.startswith("--")):
        assert option in said, f"{name}: {option}"


def test_compose_freezes_again_and_again_and_ends_at_once(services: dict[str, Any], tmp_path: Path) -> None:
    """The shell's loop runs a command of ours, goes on when it fails, and ends by SIGTERM, as the container does."""
    service = services["freeze"]
    assert service["init"] is True, "as the first process of a container, the shell would ignore SIGTERM"
    assert service["entrypoint"] == ["sh", "-c"]
    (script,) = service["command"]
    assert "ranker freeze;" in script
    run(beside_python("ranker"), "freeze", "--help")
    for name, line in {
        "ranker": 'echo "$@" >> made; exit 1',
        "sleep": 'echo "$@" >> slept; [ $(wc -l < slept) -lt 3 ] || exec /bin/sleep 60',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=environment, start_new_session=True)
    try:
        slept = tmp_path / "slept"
        waiting.until("Three rounds", lambda: slept.exists() and len(slept.read_text().split()) == 3, UNTIL_S)
        assert (tmp_path / "made").read_text() == "freeze\n" * 3
        assert all(float(seconds) <= 1800 for seconds in slept.read_text().split())
        process.terminate()
        assert process.wait(UNTIL_S) == -signal.SIGTERM
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_kafka_starts_with_the_settings_of_compose(
    services: dict[str, Any], new_kafka_apache: Callable[..., ApacheKafka]
) -> None:
    """The broker settings in compose.yaml are names and values that Apache Kafka takes; only addresses are ours."""
    places = ("LISTENERS", "ADVERTISED_LISTENERS", "CONTROLLER_QUORUM_VOTERS", "LOG_DIRS", "HEAP_OPTS")
    settings = {
        name.removeprefix("KAFKA_").lower(): str(value)
        for name, value in services["kafka"]["environment"].items()
        if name.startswith("KAFKA_") and name.removeprefix("KAFKA_") not in places
    }
    assert settings["auto_create_topics_enable"] == "false"
    assert new_kafka_apache(**settings).answers()


def test_redis_starts_with_the_command_of_compose(services: dict[str, Any], tmp_path: Path) -> None:
    """The flags in compose.yaml are flags that Redis takes, and they set what counts rely on."""
    program, *flags = services["redis"]["command"]
    assert program == "redis-server"
    redis = RedisServer(tmp_path, extra=tuple(flags))
    redis.start()
    with redis.client() as client:
        info = client.info()
    redis.stop()
    assert info["maxmemory_policy"] == "noeviction"
    assert info["aof_enabled"] == 1
    assert info["maxmemory"] > 0


def test_prometheus_takes_its_configuration(find_tool: FindTool) -> None:
    """promtool finds prometheus.yml valid."""
    assert "SUCCESS" in run(
        find_tool("promtool", "prometheus"), "check", "config", DEPLOY / "prometheus" / "prometheus.yml"
    )


def test_prometheus_scrapes_what_compose_starts(services: dict[str, Any]) -> None:
    """Each scraped name is a service, its port the service's admin port, open to other containers and not published."""
    jobs = YAML(typ="safe").load(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    scraped = {name: sd["port"] for job in jobs for sd in job["dns_sd_configs"] for name in sd["names"]}
    assert scraped.keys() == {"consumer", "reader", "collector"}
    for name, port in scraped.items():
        command = services[name]["command"]
        assert command[command.index("--admin-port") + 1] == str(port)
        assert command[command.index("--admin-host") + 1] == "0.0.0.0", "Prometheus is another container"
        assert "ports" not in services[name] or all(
            f":{port}" not in published for published in services[name]["ports"]
        )


def test_nginx_takes_its_configuration(find_tool: FindTool, tmp_path: Path) -> None:
    """nginx -t finds nginx.conf valid, and its limits are not at odds with the readers'."""
    nginx = Nginx.before(find_tool("nginx", "nginx-light"), tmp_path, [free_port(), free_port()])
    nginx.conf.write_text(nginx.text)
    assert "test is successful" in run(nginx.binary, "-t", "-p", tmp_path, "-c", nginx.conf)
    conf = (DEPLOY / "nginx.conf").read_text()
    kept = re.search(r"^    keepalive_timeout (\d+)s;  # less than", conf, re.MULTILINE)
    read = re.search(r"^        proxy_read_timeout (\d+)s;$", conf, re.MULTILINE)
    assert kept is not None
    assert int(kept[1]) < http_server.KEEP_ALIVE_S
    assert read is not None
    assert int(read[1]) > 2 * streams.BEAT_S


def test_the_configuration_of_compose_is_without_fault() -> None:
    """ranker.toml is one that the programs take, and names where events of its site may come from."""
    table, faults = configuration.table(str(DEPLOY / "ranker.toml"))
    assert faults == []
    assert table["sites"]["demo"]["origins"]
    assert table["sites"]["demo"]["calendar"]["zone"], "or its service freeze has nothing to do"


def test_the_spool_of_compose_outlives_its_container(services: dict[str, Any]) -> None:
    """It is on a volume, which belongs to the image's user because its directory in the image does."""
    service = services["collector"]
    spool = service["command"][service["command"].index("--spool") + 1]
    assert service["volumes"] == [f"spool:{spool}"]
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = re.search(r"^USER (\d+)$", dockerfile, re.MULTILINE)
    assert user is not None
    assert f"install -d -m 700 -o {user[1]} {spool}\n" in dockerfile


class Receiver(BaseHTTPRequestHandler):
    """Keeps what reaches it, and accepts it."""

    received: ClassVar[list[tuple[Message, bytes]]] = []

    def do_POST(self) -> None:
        self.received.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_nginx_hands_events_on_as_the_collector_needs_them(find_tool: FindTool, tmp_path: Path) -> None:
    """Under the collector's name: 64 KiB and no more, the client's address and not what it says of itself, no log of it."""
    binary = find_tool("nginx", "nginx-light")
    with ThreadingHTTPServer((HOST, 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        ports = [free_port(), free_port()]
        nginx = Nginx.before(binary, tmp_path / "nginx", ports, collector=receiver.server_address[1])
        nginx.start()
        try:
            claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
            headers = {"Host": "views.example.org", "Origin": "https://www.example.org", "Sec-GPC": "1", **claims}
            statuses = []
            for size in (65_536, 65_537):
                connection = http.client.HTTPConnection(HOST, nginx.port, timeout=10)
                connection.request("POST", "/v1/events", b"x" * size, headers)
                statuses.append(connection.getresponse().status)
                connection.close()
        finally:
            nginx.stop()
            receiver.shutdown()
    assert statuses == [202, 413]
    ((kept, body),) = Receiver.received
    assert len(body) == 65_536
    assert kept["X-Forwarded-For"] == HOST
    assert kept["Forwarded"] is None
    assert (kept["Host"], kept["Sec-GPC"]) == ("views.example.org", "1")
    assert kept["Origin"] == "https://www.example.org"
    assert HOST not in nginx.log.read_text(), "an address of a client is in nginx' log"


def test_the_dockerfile_is_without_fault() -> None:
    """hadolint finds nothing; and the image does not run as root."""
    run(beside_python("hadolint"), DEPLOY / "Dockerfile")
    last_stage = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*$", last_stage, re.MULTILINE)


def test_what_the_image_installs_is_whole(tmp_path: Path) -> None:
    """From no more than the Dockerfile copies, a wheel with every file of the packages: scripts, page, schemas."""
    source = tmp_path / "source"
    source.mkdir()
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        for name in line.split():
            assert f"!{name}" in ignored, f"{name} is kept from the build by .dockerignore"
            if (CHECKOUT / name).is_dir():
                shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(CHECKOUT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    for package in ("ranker", "producers", "schemas"):
        # Built from a copy: what a build leaves in the source is no part of it.
        files = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / package).rglob("*") if path.is_file()}
        missing = {name for name in files - packed if "__pycache__" not in name}
        assert not missing
