"""What the figures were measured on: sizes and versions, no name and no path."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.stack import Stack

PACKAGES = ("aiokafka", "redis", "msgspec", "orjson", "uvloop", "uvicorn", "starlette")


def describe(stack: Stack, load_before: float) -> dict[str, Any]:
    """Cores, memory and the versions of everything that has a part in the figures."""
    with stack.redis.client() as client:
        redis = client.info("server")["redis_version"]
    jar = next(stack.kafka.jars.glob("kafka_*.jar"), None)
    kafka = re.search(r"-([\d.]+)\.jar$", jar.name) if jar else None
    return {
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        stack.redis.name.lower(): redis,
        "kafka": kafka[1] if kafka else "unknown",
        "load_before": load_before,
        "packages": {package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    """Its name as the system has it."""
    return next(iter(re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)), "unknown")
