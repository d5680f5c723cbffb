"""What deploy/kubernetes makes, as objects; and where pods are in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.local.faults import MissingTool
from tests.support.deploy_tools import DEPLOY, run

KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ("small", "large")
Manifest = dict[str, Any]


def built(folder: Path) -> list[Manifest]:
    """The objects that kustomize makes of a folder. Raises MissingTool without kubectl and kustomize."""
    tool = shutil.which("kustomize") or shutil.which("kubectl")
    if tool is None:
        raise MissingTool("neither kustomize nor kubectl is on this machine (deploy/services.sh makes kustomize)")
    command = "build" if Path(tool).name == "kustomize" else "kustomize"
    printed = run(tool, command, folder)
    return list(YAML(typ="safe").load_all(printed))


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pod_template(manifest: Manifest) -> Manifest | None:
    """The template of the pods that an object makes; None if it makes none."""
    spec = manifest.get("spec", {})
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template = spec.get("template") if isinstance(spec, dict) else None
    return template if isinstance(template, dict) else None


def workloads(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Each object that makes pods: its name and their template."""
    for manifest in manifests:
        if (template := pod_template(manifest)) is not None:
            yield name_of(manifest), template


def matches(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a selector of the API (matchLabels, matchExpressions with In) takes these labels."""
    wanted = selector.get("matchLabels", {}).items()
    among = selector.get("matchExpressions", [])
    assert all(one["operator"] == "In" for one in among)
    return wanted <= labels.items() and all(labels.get(one["key"]) in one["values"] for one in among)


def environment(container: Manifest, manifests: list[Manifest]) -> dict[str, str]:
    """The variables that a container is given, from ConfigMaps and by itself."""
    maps = {one["metadata"]["name"]: one["data"] for one in manifests if one["kind"] == "ConfigMap"}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]
    return found | {one["name"]: one["value"] for one in container.get("env", [])}


def mounted(pod: Manifest, container: Manifest) -> dict[str, tuple[str, str, str]]:
    """The path of each file that a container is given: kind and name of what holds it, and its key."""
    volumes = {one["name"]: one for one in pod.get("volumes", [])}
    found = {}
    for mount in container.get("volumeMounts", []):
        for source in volumes.get(mount["name"], {}).get("projected", {}).get("sources", []):
            for kind, held in source.items():
                for item in held["items"]:
                    found[f"{mount['mountPath']}/{item['path']}"] = (kind, held["name"], item["key"])
    return found
