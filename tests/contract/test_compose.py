"""What deploy/compose.yaml starts is fit for the programs that it starts. deploy/README.md says what could not be run."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.local import waiting
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.ports import HOST
from ranker import __version__
from tests.support import our_processes
from tests.support.deploy_tools import DEPLOY, FindTool, beside_python, run
from tests.support.runbook_page import START, parts

SERVED = ("topics", "consumer", "freeze", "verify", "reader", "collector", "traffic")
OURS = (*SERVED, "operator")
UNTIL_S = 30.0


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """compose.yaml, anchors resolved."""
    found = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found = compose["services"]
    assert isinstance(found, dict)
    return found


def command_line(service: dict[str, Any]) -> tuple[str, list[str]]:
    """Program and words; of a loop in a shell, those of the command in it."""
    entrypoint, words = service.get("entrypoint", ["ranker"]), service["command"]
    if entrypoint == ["sh", "-c"]:
        (line,) = re.findall(r"(ranker .*?)(?:;| &&)", words[0])
        entrypoint, *words = shlex.split(line)
        return entrypoint, words
    (program,) = entrypoint
    return program, words


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


def test_images_are_pinned(services: dict[str, Any]) -> None:
    """Ours by the project's version, others by one that has all its numbers."""
    for name, service in services.items():
        image, _, tag = service["image"].partition(":")
        if name in OURS:
            assert (image, tag) == ("popularity-ranker", __version__), name
        else:
            assert re.fullmatch(r"v?\d+\.\d+\.\d+(-\w+)?", tag), name


def test_compose_has_two_of_each_and_starts_them_after_the_topics(services: dict[str, Any]) -> None:
    """Consumers and readers in two replicas, once the one-shot that makes the topics has succeeded."""
    for name in ("consumer", "reader"):
        assert services[name]["deploy"]["replicas"] == 2
        assert services[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("name", SERVED)
def test_the_processes_take_their_command_lines_and_settings(
    name: str, compose: dict[str, Any], tmp_path: Path
) -> None:
    """Parsed by the program, with the files that secrets.sh makes; each secret is asked for, and ranker.toml is without fault."""
    service = compose["services"][name]
    program, words = command_line(service)
    options = our_processes.options(program, words)
    assert options.get("admin_host", "0.0.0.0") == "0.0.0.0", "Prometheus is another container"
    assert all(f":{options.get('admin_port')}" not in published for published in service.get("ports", []))
    run(DEPLOY / "secrets.sh", tmp_path / "secrets")
    given, named = dict(service["environment"]), set()
    assert given.keys() <= our_processes.VARIABLES
    for secret in service.get("secrets", []):
        source, target = (secret, secret) if isinstance(secret, str) else (secret["source"], secret["target"])
        file = tmp_path / Path(compose["secrets"][source]["file"])
        (found,) = (key for key, value in given.items() if value.lstrip("@") == f"/run/secrets/{target}")
        given[found] = given[found].replace(f"/run/secrets/{target}", str(file))
        named.add(source)
    assert not any("/run/secrets" in value for value in given.values()), "a secret is not given"
    user = given.get("RANKER_REDIS_USERNAME")
    assert user is None or f"redis-{user}" in named
    (config,) = service["configs"]
    assert given["RANKER_CONFIG"] == config["target"]
    given["RANKER_CONFIG"] = str(DEPLOY / compose["configs"][config["source"]]["file"])
    our_processes.check_settings(program, words, given)


def test_an_operator_has_a_shell_with_the_variables_of_the_runbook(compose: dict[str, Any], tmp_path: Path) -> None:
    """As Redis' user of its role; addresses are services in its network, at their ports; nothing of it runs by itself."""
    service = compose["services"]["operator"]
    assert (service["entrypoint"], service["profiles"], service["working_dir"]) == (["sh"], ["operator"], "/tmp")
    given = dict(service["environment"])
    named = re.findall(r"\b([A-Z]+)=[\d.]+:\d+", parts()[START].commands[0])
    for name in named:
        host, _, port = given.pop(name).partition(":")
        other = compose["services"][host]
        assert set(other["networks"]) & set(service["networks"])
        assert not port or port in other["command"]
    run(DEPLOY / "secrets.sh", tmp_path)
    (secret,) = service["secrets"]
    assert given["RANKER_REDIS_PASSWORD_FILE"] == f"/run/secrets/{secret['target']}"
    assert secret["source"] == f"redis-{given['RANKER_REDIS_USERNAME']}" == "redis-operator"
    given["RANKER_REDIS_PASSWORD_FILE"] = str(tmp_path / secret["source"])
    given["RANKER_CONFIG"] = str(DEPLOY / "ranker.toml")
    our_processes.check_settings("ranker", ["check"], given)


def test_the_health_check_is_of_the_admin_port(services: dict[str, Any]) -> None:
    """What the image checks by itself is the port that services give; those without one have no check."""
    (port,) = re.findall(r"HEALTH_URL=http://127\.0\.0\.1:(\d+)/healthz", (DEPLOY / "Dockerfile").read_text())
    for name in SERVED:
        admin = our_processes.options(*command_line(services[name])).get("admin_port")
        assert admin == int(port) if admin is not None else services[name]["healthcheck"]["disable"], name


@pytest.mark.parametrize(
    ("name", "code", "rounds"),
    [("freeze", 1, "1800"), ("verify", 1, "3600"), ("verify", 0, "85500")],
    ids=["freeze", "verify fails", "verify takes a quarter of an hour"],
)
def test_what_runs_again_and_again_does_so_and_ends_at_once(
    name: str, code: int, rounds: str, services: dict[str, Any], tmp_path: Path
) -> None:
    """The shell's loop runs a command of ours, goes on when it fails, and ends by SIGTERM, as the container does.

    The next recount begins 24 h after this one has begun, however long it takes.
    """
    service = services[name]
    assert service["init"] is True, "as the first process of a container, the shell would ignore SIGTERM"
    script = service["command"][0].replace("$$", "$")
    for program, line in {
        "ranker": f'echo "$1" >> made; echo 900 > time; exit {code}',
        "date": "cat time; echo 0 > time",
        "sleep": 'echo "$@" >> slept; [ $(wc -l < slept) -lt 3 ] || exec /bin/sleep 60',
    }.items():
        (tmp_path / program).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / program).chmod(0o755)
    (tmp_path / "time").write_text("0\n")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = subprocess.Popen(["sh", "-c", script], cwd=tmp_path, env=environment, start_new_session=True)
    try:
        slept = tmp_path / "slept"
        waiting.until("Three rounds", lambda: slept.exists() and len(slept.read_text().split()) == 3, UNTIL_S)
        assert (tmp_path / "made").read_text() == f"{name}\n" * 3
        assert slept.read_text().split() == [rounds] * 3
        process.terminate()
        assert process.wait(UNTIL_S) == -signal.SIGTERM
    finally:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.long
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


def test_what_is_written_is_on_volumes_that_belong_to_the_image_s_user(services: dict[str, Any]) -> None:
    """A spool outlives its container; metrics of the recount are where they are shown."""
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    user = re.search(r"^USER (\d+)$", dockerfile, re.MULTILINE)
    assert user is not None
    made = " ".join(re.findall(rf"install -d -m \d+ -o {user[1]} (.*?) *(?:\\|$)", dockerfile, re.MULTILINE)).split()
    spool = our_processes.options(*command_line(services["collector"]))["spool"]
    files = [Path(our_processes.options(*command_line(services[name]))["metrics"]) for name in ("verify", "freeze")]
    assert [file.name for file in files] == ["ranker_verify.prom", "ranker_freeze.prom"]
    (folder,) = {file.parent for file in files}
    assert services["collector"]["volumes"] == [f"spool:{spool}"]
    for name in ("verify", "freeze"):
        assert services[name]["volumes"] == [f"metrics:{folder}"]
    assert {str(spool), str(folder)} <= set(made)
    assert services["written-metrics"]["volumes"] == [f"metrics:{folder}:ro"]
    assert f"--collector.textfile.directory={folder}" in services["written-metrics"]["command"]


def test_prometheus_takes_its_configuration(find_tool: FindTool) -> None:
    """promtool finds prometheus.yml valid."""
    configuration = DEPLOY / "prometheus" / "prometheus.yml"
    assert "SUCCESS" in run(find_tool("promtool", "prometheus"), "check", "config", configuration)


def test_prometheus_scrapes_what_compose_starts(services: dict[str, Any]) -> None:
    """Each scraped name is a service with that port, in a network of Prometheus'."""
    jobs = YAML(typ="safe").load(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
    scraped = {name: sd["port"] for job in jobs for sd in job["dns_sd_configs"] for name in sd["names"]}
    assert scraped.keys() == {"consumer", "reader", "collector", "written-metrics"}
    for name, port in scraped.items():
        words = services[name]["command"]
        assert f":{port}" in str(words) or words[words.index("--admin-port") + 1] == str(port)
        assert set(services[name]["networks"]) & set(services["prometheus"]["networks"])


def test_nginx_finds_readers_and_collector(services: dict[str, Any], find_tool: FindTool, tmp_path: Path) -> None:
    """Its upstreams are services, at their ports; the real nginx takes the files, without what an older one has not."""
    mounts = dict(volume.split(":")[:2] for volume in services["nginx"]["volumes"])
    assert set(mounts) == {"./nginx.conf", "./nginx-upstreams.compose.conf"}
    upstreams = (DEPLOY / "nginx-upstreams.compose.conf").read_text()
    for name, port in re.findall(r"server (\w+):(\d+)", upstreams):
        assert our_processes.options(*command_line(services[name]))["port"] == int(port)
        assert set(services[name]["networks"]) & set(services["nginx"]["networks"])
        upstreams = upstreams.replace(f"{name}:{port} resolve", f"{HOST}:{port}")
    conf = (DEPLOY / "nginx.conf").read_text()
    assert set(re.findall(r"proxy_pass http://(\w+);", conf)) == set(
        re.findall(r"^upstream (\w+)", upstreams, re.MULTILINE)
    )
    text = f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{upstreams}{conf}}}\n".replace(
        "/var/cache/nginx", str(tmp_path)
    )
    (tmp_path / "nginx.conf").write_text(text)
    run(find_tool("nginx", "nginx-light"), "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf")
    assert services["nginx"]["ports"] == ["127.0.0.1:8080:80"]
