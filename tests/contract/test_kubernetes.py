"""What deploy/kubernetes makes is fit for Kubernetes' schemas and level "restricted", and starts what there is."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import kubernetes_validate
import pytest

from deploy.local.faults import MissingTool
from tests.conftest import without
from tests.support import our_processes, pod_security
from tests.support.certificates import Authority
from tests.support.deploy_tools import CHECKOUT
from tests.support.kustomize import (
    KUBERNETES,
    OVERLAYS,
    Manifest,
    built,
    environment,
    matches,
    mounted,
    name_of,
    pod_template,
    workloads,
)

VERSIONS = ("1.30", "1.37")
"""The oldest that the README names, and the newest that has schemas here."""
WITHOUT_SCHEMA = {"PodMonitor", "ScaledObject"}
"""Kinds of the Prometheus Operator and of KEDA, which no schema here knows: deploy/README.md says how they were checked."""
PATHS = {"/healthz", "/readyz"}


@pytest.fixture(scope="module", params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    """Every object of an overlay."""
    try:
        return built(KUBERNETES / "overlays" / request.param)
    except MissingTool as missing:
        without(missing)


def ours(manifests: list[Manifest]) -> list[tuple[str, Manifest, Manifest]]:
    """Name, spec and container of each pod of the project's own."""
    return [
        (name, template["spec"], container)
        for name, template in workloads(manifests)
        for container in template["spec"]["containers"]
        if container["name"] == "ranker"
    ]


def command_line(container: Manifest) -> tuple[str, list[str]]:
    """Program and words; of a loop the command in it; of the operators' shell, which only waits, one that they type."""
    if container.get("command") == ["sh", "-c"]:
        (line,) = re.findall(r"(ranker .*?);", container["args"][0])
        return "ranker", line.split()[1:]
    (program,) = container.get("command", ["ranker"])
    return ("ranker", ["check"]) if program == "sleep" else (program, container["args"])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_follows_the_schema_of_its_kind(manifests: list[Manifest], version: str) -> None:
    """Strictly, by the oldest and the newest version of Kubernetes: no field that they do not know."""
    checked = [one for one in manifests if one["kind"] not in WITHOUT_SCHEMA]
    assert len(checked) >= 20
    for manifest in checked:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_namespace_enforces_the_level_that_every_pod_has(manifests: list[Manifest]) -> None:
    """Pod Security "restricted", a root that is read-only, no account of the cluster's; memory has a bound."""
    (namespace,) = (one for one in manifests if one["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    found = list(workloads(manifests))
    assert len(found) == 8
    for name, template in found:
        pod = template["spec"]
        assert list(pod_security.faults(pod)) == [], name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert "memory" in container["resources"]["limits"], name
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name


def test_every_object_is_in_the_namespace(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "popularity-ranker", name_of(manifest)


def test_the_command_lines_are_ours(manifests: list[Manifest]) -> None:
    """Each is parsed by the program; ports, probes and drains are those that it is told."""
    started = ours(manifests)
    assert {command_line(container)[1][0] for _, _, container in started} == {
        "topics",
        "consume",
        "serve",
        "collect",
        "verify",
        "freeze",
        "check",
    }
    for name, pod, container in started:
        options = our_processes.options(*command_line(container))
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        assert ports == {
            port: options[key] for port, key in (("admin", "admin_port"), ("http", "port")) if key in options
        }, name
        assert all(options[key] == "0.0.0.0" for key in ("host", "admin_host") if key in options), name
        for probe in ("livenessProbe", "readinessProbe"):
            assert (probe in container) == ("admin" in ports), name
            if probe in container:
                request = container[probe]["httpGet"]
                assert request["port"] == "admin", name
                assert request["path"] == ("/healthz" if probe == "livenessProbe" else "/readyz"), name
        assert ("drain_s" in options) == ("http" in ports), name
        if "drain_s" in options:
            assert 10 <= options["drain_s"] <= pod["terminationGracePeriodSeconds"] - 10, name


def test_the_settings_are_without_fault(manifests: list[Manifest], tmp_path: Path) -> None:
    """Each process takes its variables and ranker.toml, with the files that its volumes make; and needs every one of them."""
    (toml,) = (
        one["data"]["ranker.toml"] for one in manifests if one["kind"] == "ConfigMap" and "ranker.toml" in one["data"]
    )
    (tmp_path / "ranker.toml").write_text(toml)
    ca = Authority(tmp_path / "authority").ca.read_text()
    for name, pod, container in ours(manifests):
        files = mounted(pod, container)
        for path, (_, _, key) in files.items():
            place = tmp_path / name / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text({"ca.pem": ca}.get(key, "demo=a-secret-of-its-site" if "/" not in key else key))
        given = environment(container, manifests)
        assert given.keys() <= our_processes.VARIABLES, name
        named = {value.lstrip("@") for value in given.values() if value.lstrip("@").startswith("/run/")}
        assert named == set(files), f"{name}: files that are named, and files that there are"
        moved = {key: value.replace("/run/", f"{tmp_path / name}/run/") for key, value in given.items()}
        moved["RANKER_CONFIG"] = str(tmp_path / "ranker.toml")
        our_processes.check_settings(*command_line(container), moved)


def test_each_process_has_its_own_password(manifests: list[Manifest]) -> None:
    """The key of its user at Kafka is the user's name; that at Redis is the role, of those that redis-acl has."""
    for name, pod, container in ours(manifests):
        files, given = mounted(pod, container), environment(container, manifests)
        for server, folder in (("kafka", None), ("redis", CHECKOUT / "deploy" / "redis-acl")):
            user = given.get(f"RANKER_{server.upper()}_USERNAME")
            held = files.get(f"/run/secrets/ranker/{server}-password")
            assert held == (user and ("secret", f"ranker-{server}", user)), name
            assert folder is None or user is None or (folder / f"{user}.acl").exists(), name


def test_images_are_pinned(manifests: list[Manifest]) -> None:
    """Ours by the version of the project, others by the tag that compose.yaml has."""
    from ranker import __version__

    compose = (CHECKOUT / "deploy" / "compose.yaml").read_text()
    for name, template in workloads(manifests):
        for container in template["spec"]["containers"]:
            image, _, tag = container["image"].rpartition(":")
            if container["name"] == "ranker":
                assert (image, tag) == ("popularity-ranker", __version__), name
            assert f"image: {image}:{tag}\n" in compose, name


def test_selectors_find_pods(manifests: list[Manifest]) -> None:
    """Of Deployments, Services, budgets, spreads, affinities, network policies: each selects pods that there are."""
    labels = {name: template["metadata"]["labels"] for name, template in workloads(manifests)}
    for manifest in manifests:
        name, spec = name_of(manifest), manifest.get("spec", {})
        template = pod_template(manifest)
        if manifest["kind"] in {"Deployment", "StatefulSet"} and template is not None:
            assert matches(spec["selector"], labels[name]), name
        selectors = [spec["selector"]] if manifest["kind"] in {"PodDisruptionBudget", "PodMonitor"} else []
        selectors += [spec["podSelector"]] if manifest["kind"] == "NetworkPolicy" else []
        selectors += [{"matchLabels": spec["selector"]}] if manifest["kind"] == "Service" else []
        if template is not None:
            pod = template["spec"]
            spreads = [one["labelSelector"] for one in pod.get("topologySpreadConstraints", [])]
            assert all(matches(one, labels[name]) for one in spreads), name
            affinity = pod.get("affinity", {}).get("podAffinity", {})
            selectors += [
                one["labelSelector"] for one in affinity.get("requiredDuringSchedulingIgnoredDuringExecution", [])
            ]
        for selector in selectors:
            assert any(matches(selector, one) for one in labels.values()), name


def test_many_pods_are_spread_and_never_taken_away_at_once(manifests: list[Manifest]) -> None:
    """What has replicas has a budget that leaves one, and keeps off zone and node of its likes."""
    budgets = [one["spec"] for one in manifests if one["kind"] == "PodDisruptionBudget"]
    names = ("ranker-consume", "ranker-serve", "ranker-collect")
    for manifest in manifests:
        if manifest["kind"] not in {"Deployment", "StatefulSet"} or manifest["metadata"]["name"] not in names:
            continue
        name, template = name_of(manifest), manifest["spec"]["template"]
        (budget,) = (one for one in budgets if matches(one["selector"], template["metadata"]["labels"]))
        assert budget["maxUnavailable"] < manifest["spec"].get("replicas", 2), name
        keys = [one["topologyKey"] for one in template["spec"]["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"], name


def test_the_readme_makes_every_secret_that_pods_are_given(manifests: list[Manifest]) -> None:
    """With all its keys, and no others."""
    text = (KUBERNETES / "README.md").read_text().replace("\\\n", " ")
    made = {
        (name, key)
        for name, words in re.findall(r"create secret generic (\S+) (.*)", text)
        for key in re.findall(r"--from-file=(\S+?)=", words)
    }
    given = {(name, key) for _, pod, each in ours(manifests) for _, name, key in mounted(pod, each).values()}
    assert made == given


def test_an_overlay_of_one_s_own_is_as_the_readme_has_it(tmp_path: Path) -> None:
    """Image, ranker.toml and Kafka's address are its own; everything else stays."""
    (text,) = re.findall(r"```yaml\n(.*?)```", (KUBERNETES / "README.md").read_text(), re.DOTALL)
    (tmp_path / "kustomization.yaml").write_text(textwrap.dedent("   " + text.lstrip()))
    (tmp_path / "ranker.toml").write_text("# mine\n")
    (tmp_path / "popularity-ranker").symlink_to(CHECKOUT)
    try:
        made = built(tmp_path)
    except MissingTool as missing:
        without(missing)
    assert {one["data"]["ranker.toml"] for one in made if "ranker.toml" in one.get("data", {})} == {"# mine\n"}
    (consumer,) = (pod for name, pod, _ in ours(made) if name == "Deployment/ranker-consume")
    (container,) = consumer["containers"]
    assert container["image"].startswith("registry.example.org/popularity-ranker:")
    given = environment(container, made)
    assert given["RANKER_KAFKA_BOOTSTRAP"] == "kafka.example.org:9093"
    assert given["RANKER_KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
