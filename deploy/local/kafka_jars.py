"""The jars of Apache Kafka: fetched once by Maven into the checkout's cache, used from there ever after."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local import children
from deploy.local.faults import LocalFault, MissingTool

CHECKOUT = Path(__file__).resolve().parents[2]
POM = Path(__file__).with_name("kafka") / "pom.xml"
SUMS = POM.with_name("jars.sha256")
"""Of every jar that the pom brings: what else comes is refused."""
CACHE = CHECKOUT / ".cache" / "kafka"
OLDEST_JAVA = 17
FETCH_WITHIN_S = 300.0


def java() -> Path:
    """Return the Java of JAVA_HOME or PATH. Raises MissingTool where there is none, or one before 17."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    fix = "install Java 17 or newer (Debian: apt-get install default-jre-headless)"
    if found is None:
        raise MissingTool(f"Apache Kafka needs Java, which is not on this machine: {fix}")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise MissingTool(f"Apache Kafka needs Java 17 and this machine's is older or does not say: {fix}")
    return Path(found)


def place(cache: Path) -> Path:
    return cache / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]


def fetched(cache: Path = CACHE) -> bool:
    """Say whether the jars are there, so that no network is needed."""
    return place(cache).is_dir()


def jars(cache: Path = CACHE) -> Path:
    """Return the directory with the broker's jars, fetched if they are not there yet. Raises MissingTool without Maven.

    The directory is named after the pom, and gets that name when it is whole: a fetch that broke off is begun again,
    and a change of version is a new directory.
    """
    whole = place(cache)
    if whole.is_dir():
        return whole
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        # Two test runs in one checkout: the second waits for the first one's fetch.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.is_dir():
            fetch(cache / f"{whole.name}.part").rename(whole)
    return whole


def fetch(into: Path) -> Path:
    """Copy the jars that the pom names into `into`, emptied first."""
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(
            "fetching Apache Kafka needs Maven, which is not on this machine (Debian: apt-get install maven)"
        )
    shutil.rmtree(into, ignore_errors=True)
    argv: list[str | Path] = [maven, "-q", "-B", "-f", POM, "dependency:copy-dependencies", f"-DoutputDirectory={into}"]
    done = children.run("Maven", argv, into.with_suffix(".log"), deadline_s=FETCH_WITHIN_S)
    if done.returncode() != 0 or not any(into.glob("kafka_*.jar")):
        raise LocalFault(f"Maven could not fetch Apache Kafka (the first time needs a network):\n{done.tail()}")
    check(into)
    return into


def check(directory: Path) -> None:
    """Raise LocalFault unless the jars of `directory` are those that SUMS lists, no more and no fewer."""
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.glob("*.jar")}
    wanted = {name: digest for digest, name in (line.split() for line in SUMS.read_text().splitlines())}
    differing = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if differing:
        raise LocalFault(
            f"Maven brought other jars than {SUMS.name} lists: {', '.join(differing)}. If the pom was changed, look at "
            f"them and write the list anew (sha256sum *.jar in {directory}); if not, do not use them."
        )
