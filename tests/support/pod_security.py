"""The level "restricted" of Kubernetes' Pod Security Standards, for what the API server would refuse a pod."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
PROFILES = {"RuntimeDefault", "Localhost"}


def faults(pod: dict[str, Any]) -> Iterator[str]:
    """What of a pod's spec the level does not allow, one by one."""
    if pod.get("os", {}).get("name") == "windows":
        yield "windows has rules of its own, which are not here"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    for volume in pod.get("volumes", []):
        yield from (f"volume {kind}" for kind in volume.keys() - {"name"} - VOLUMES)
    shared = pod.get("securityContext", {})
    if shared.get("sysctls"):
        yield "sysctls"
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in pod.get(kind, []):
            yield from (f"{container['name']}: {fault}" for fault in _faults(container, shared))


def _faults(container: dict[str, Any], shared: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if own.get("runAsNonRoot", shared.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot"
    if 0 in {own.get("runAsUser"), shared.get("runAsUser")}:
        yield "runAsUser 0"
    if own.get("seccompProfile", shared.get("seccompProfile", {})).get("type") not in PROFILES:
        yield "seccompProfile"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    for context in (own, shared):
        if {"seLinuxOptions", "appArmorProfile", "windowsOptions"} & context.keys():
            yield "seLinuxOptions, appArmorProfile or windowsOptions: not judged here"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "hostPort"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if "host" in container.get(probe, {}).get("httpGet", {}):
            yield f"{probe} of another host"
