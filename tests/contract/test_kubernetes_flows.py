"""What reaches what in deploy/kubernetes, what runs at which time, what is scraped and what scales."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.local.faults import MissingTool
from tests.conftest import without
from tests.support.deploy_tools import DEPLOY, FindTool, run
from tests.support.kustomize import KUBERNETES, Manifest, built, environment, matches, name_of, workloads

NAME = "app.kubernetes.io/name"
OPERATE, OPERATED = "ranker-operate", ("ranker-consume", "ranker-serve", "ranker-collect")
"""The operators' shell, and the pods that it may look at."""
WORLD = {"kafka": 9093, "redis": 6379}
"""The namespaces that pods may reach, besides the name server's."""


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    """Every object of the overlay that has all components."""
    try:
        return built(KUBERNETES / "overlays" / "large")
    except MissingTool as missing:
        without(missing)


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    found = [one for one in manifests if one["kind"] == kind]
    assert found
    return found


def one(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name)
    return found


def peers_of(peer: Manifest) -> list[str]:
    """The namespace that a policy names, or pods of this one by their names."""
    if "namespaceSelector" in peer:
        return [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]]
    selector = peer["podSelector"]
    among = selector.get("matchExpressions", [])
    return [selector["matchLabels"][NAME]] if not among else [name for one in among for name in one["values"]]


def allowed(manifests: list[Manifest], labels: dict[str, str], direction: str) -> set[tuple[str, str, Any]]:
    """What policies let into pods with these labels, or out of them: namespace, protocol and port."""
    peers = {"egress": "to", "ingress": "from"}[direction]
    return {
        (name, port["protocol"], port["port"])
        for policy in of_kind(manifests, "NetworkPolicy")
        if matches(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get(direction, [])
        for peer in rule[peers]
        for name in peers_of(peer)
        for port in rule["ports"]
    }


def test_nothing_is_open_that_no_policy_names(manifests: list[Manifest]) -> None:
    (closed,) = (
        policy["spec"]
        for policy in of_kind(manifests, "NetworkPolicy")
        if not {"ingress", "egress"} & policy["spec"].keys()
    )
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_each_pod_reaches_the_servers_of_its_settings_and_no_other(manifests: list[Manifest]) -> None:
    """Kafka and Redis by the ports of their addresses, if the pod is told one; and names. What has a port is reached by it."""
    for name, template in workloads(manifests):
        labels, container = template["metadata"]["labels"], template["spec"]["containers"][0]
        given = environment(container, manifests)
        addresses = {given.get("RANKER_KAFKA_BOOTSTRAP"), given.get("RANKER_REDIS_URL")} - {None}
        servers: set[tuple[str, str, Any]] = {
            (server, "TCP", port) for server, port in WORLD.items() if f".{server}.svc:{port}" in str(addresses)
        }
        assert len(servers) == len(addresses), name
        names = {("kube-system", "UDP", 53), ("kube-system", "TCP", 53)}
        if labels[NAME] == OPERATE:
            servers |= {(one, "TCP", port) for one in OPERATED for port in ("http", "admin")}
        assert allowed(manifests, labels, "egress") == servers | names, name
        ports = {port["name"] for each in template["spec"]["containers"] for port in each.get("ports", [])}
        inward = {"admin": ("monitoring", "TCP", "admin"), "http": ("ingress", "TCP", "http")}
        operated = {(OPERATE, "TCP", port) for port in ("http", "admin") if labels[NAME] in OPERATED}
        assert allowed(manifests, labels, "ingress") == {inward[port] for port in ports} | operated, name


def test_services_lead_to_the_public_port_and_never_to_the_admin_port(manifests: list[Manifest]) -> None:
    for service in of_kind(manifests, "Service"):
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"], name_of(service)
    backends = [
        path["backend"]["service"]
        for rule in one(manifests, "Ingress", "ranker")["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    assert [backend["name"] for backend in backends] == ["ranker-serve", "ranker-collect"]
    for backend in backends:
        named = one(manifests, "Service", backend["name"])["spec"]["ports"]
        assert backend["port"]["name"] in {port["name"] for port in named}


def test_what_runs_by_the_clock_runs_when_the_timers_of_systemd_do(manifests: list[Manifest]) -> None:
    """A recount every night, not twice at the same time, and not forever."""
    (time,) = re.findall(
        r"^OnCalendar=(\d\d:\d\d)$", (DEPLOY / "systemd" / "ranker-verify.timer").read_text(), re.MULTILINE
    )
    hour, minute = map(int, time.split(":"))
    assert one(manifests, "CronJob", "ranker-verify")["spec"]["schedule"] == f"{minute} {hour} * * *"
    for job in of_kind(manifests, "CronJob"):
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] <= 12 * 3600


def test_documents_are_made_every_half_hour_whether_or_not_their_metrics_are_shown(manifests: list[Manifest]) -> None:
    """By one pod that shows them itself: no volume and no node of another's."""
    deployment = one(manifests, "Deployment", "ranker-freeze")["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    pod = deployment["template"]["spec"]
    assert "affinity" not in pod
    assert not any("persistentVolumeClaim" in volume for volume in pod["volumes"])
    runs, shows = pod["containers"]
    found = re.fullmatch(r"while :; do timeout 12h ranker freeze --metrics (\S+); sleep 1800; done", runs["args"][0])
    assert found is not None
    assert f"--collector.textfile.directory={Path(found[1]).parent}" in shows["args"]
    places = {
        each["mountPath"]
        for container in (runs, shows)
        for each in container["volumeMounts"]
        if each["name"] == "metrics"
    }
    assert places == {str(Path(found[1]).parent)}


def test_a_recount_writes_where_its_metrics_are_shown(manifests: list[Manifest]) -> None:
    """One volume for these pods, which is on one node; the file's folder is the one that is shown, and ends in .prom."""
    templates = {name.partition("/")[2]: template for name, template in workloads(manifests)}
    writer, shower = templates["ranker-verify"]["spec"], templates["ranker-written-metrics"]["spec"]
    for pod in (writer, shower):
        assert {"name": "metrics", "persistentVolumeClaim": {"claimName": "ranker-metrics"}} in pod["volumes"]
    words = writer["containers"][0]["args"]
    file = Path(words[words.index("--metrics") + 1])
    assert file.name == "ranker_verify.prom"
    assert f"--collector.textfile.directory={file.parent}" in shower["containers"][0]["args"]
    (mount,) = (each for each in writer["containers"][0]["volumeMounts"] if each["name"] == "metrics")
    assert mount["mountPath"] == str(file.parent)
    (affinity,) = writer["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert affinity["topologyKey"] == "kubernetes.io/hostname"
    assert matches(affinity["labelSelector"], templates["ranker-written-metrics"]["metadata"]["labels"])


def test_a_collector_s_spool_is_its_own_and_outlives_it(manifests: list[Manifest]) -> None:
    spec = one(manifests, "StatefulSet", "ranker-collect")["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    (container,) = spec["template"]["spec"]["containers"]
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == claim["metadata"]["name"])
    spool = Path(container["args"][container["args"].index("--spool") + 1])
    assert spool.is_relative_to(mount["mountPath"])
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    assert [each["kind"] for each in manifests].count("StatefulSet") == 1


def test_every_admin_port_is_scraped_under_the_name_that_rules_use(manifests: list[Manifest]) -> None:
    """By one PodMonitor, as often as prometheus.yml does; its jobs are that file's."""
    monitor = one(manifests, "PodMonitor", "ranker")["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    scraped = {
        template["metadata"]["labels"][monitor["jobLabel"]]
        for _, template in workloads(manifests)
        if matches(monitor["selector"], template["metadata"]["labels"])
        and endpoint["port"]
        in {port["name"] for each in template["spec"]["containers"] for port in each.get("ports", [])}
    }
    prometheus = YAML(typ="safe").load(DEPLOY / "prometheus" / "prometheus.yml")
    assert endpoint["interval"] == prometheus["global"]["scrape_interval"]
    assert scraped >= {job["job_name"] for job in prometheus["scrape_configs"]}
    assert scraped >= {"ranker-consume", "ranker-serve", "ranker-collect", "ranker-freeze", "ranker-written-metrics"}


def test_consumers_are_scaled_by_a_lag_that_there_is_and_never_beyond_the_partitions(
    manifests: list[Manifest], find_tool: FindTool, tmp_path: Path
) -> None:
    scaled = one(manifests, "ScaledObject", "ranker-consume")["spec"]
    target = one(manifests, "Deployment", scaled["scaleTargetRef"]["name"])
    assert "replicas" not in target["spec"], "each apply would take the autoscaler's number back"
    topic = tomllib.loads((DEPLOY.parent / "schemas" / "topics" / "page-views.toml").read_text())
    assert 2 <= scaled["minReplicaCount"] <= scaled["maxReplicaCount"] <= topic["partitions"]
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    query = trigger["metadata"]["query"]
    rules = tmp_path / "rules.yml"
    YAML().dump({"groups": [{"name": "lag", "rules": [{"record": "ranker:lag", "expr": query}]}]}, rules)
    run(find_tool("promtool", "prometheus"), "check", "rules", rules)
    source = "".join(path.read_text() for path in (DEPLOY.parent / "ranker").rglob("*.py"))
    assert all(f'"{metric}' in source for metric in re.findall(r"ranker_\w+", query))


def test_the_rules_of_the_operator_are_those_of_prometheus(tmp_path: Path) -> None:
    """rules.sh prints a PrometheusRule of each file, with all that is in it."""
    for folder in ("kubernetes", "prometheus"):
        (tmp_path / folder).mkdir()
    script = tmp_path / "kubernetes" / "rules.sh"
    script.write_bytes((KUBERNETES / "rules.sh").read_bytes())
    script.chmod(0o755)
    text = "# Why.\ngroups:\n- name: one\n  rules:\n    - record: a:b\n      expr: |\n        up\n          == 1\n"
    texts = {path.name: path.read_text() for path in (DEPLOY / "prometheus").glob("*.rules.yml")} | {
        "a.rules.yml": text
    }
    for name, rules in texts.items():
        (tmp_path / "prometheus" / name).write_text(rules)
    printed = subprocess.run([script], capture_output=True, text=True, check=True).stdout
    yaml = YAML(typ="safe")
    made = {each["metadata"]["name"]: each for each in yaml.load_all(printed)}
    assert {each["kind"] for each in made.values()} == {"PrometheusRule"}
    assert {each["metadata"]["namespace"] for each in made.values()} == {"popularity-ranker"}
    assert {name: each["spec"] for name, each in made.items()} == {
        f"ranker-{name.removesuffix('.rules.yml')}": yaml.load(rules) for name, rules in texts.items()
    }
