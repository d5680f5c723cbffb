"""What the person who says `make run` wishes, from the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.faults import LocalFault
from schemas import article_id, configuration

KAFKAS = ("embedded", "apache")
DEFAULT_PORT = 8080
COLLECTOR_PORT = 8081


@dataclass(frozen=True)
class Options:
    """`bootstrap` and `redis_url` name servers that are there already; None where ours are to be started."""

    kafka: str
    bootstrap: str | None
    redis_url: str | None
    port: int | None  # None: nobody chose, any will do
    traffic: bool
    log: Path | None
    pattern: str
    site: str
    config: Path | None  # a ranker.toml that is there already; None: one is written for the run
    write_keys: str | None


def read(environment: Mapping[str, str]) -> Options:
    """Read KAFKA, PORT, TRAFFIC, LOG, PATTERN, SITE and what RANKER_… names. Raises LocalFault with every fault."""
    faults: list[str] = []
    kafka = environment.get("KAFKA") or "embedded"
    if kafka not in KAFKAS:
        faults.append(f"KAFKA={kafka} is not known: it is embedded or apache.")
    port = environment.get("PORT") or None
    if port is not None and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        faults.append(f"PORT={port} is no port: it is a number from 1 to 65535.")
        port = None
    traffic = environment.get("TRAFFIC") or "1"
    if traffic not in ("0", "1"):
        faults.append(f"TRAFFIC={traffic} is not known: TRAFFIC=0 means no demonstration traffic.")
    log = environment.get("LOG") or None
    pattern = environment.get("PATTERN") or ""
    if log is not None:
        if not Path(log).is_file():
            faults.append(f"LOG={log} is not a file.")
        if not pattern:
            faults.append("LOG needs PATTERN, whose group 1 is the article's id: PATTERN='^/articles/([^/]+)'")
        else:
            fault = article_id.source_fault(pattern)
            faults += [f"PATTERN={pattern}{fault.removeprefix(repr(pattern))}."] if fault else []
    elif pattern:
        faults.append("PATTERN is for LOG, which is not set: LOG=access.log PATTERN='^/articles/([^/]+)'")
    site = environment.get("SITE") or "demo"
    if not re.fullmatch("[a-z0-9._-]{1,64}", site):
        faults.append(f"SITE={site} is no site: it is 1 to 64 of a-z, 0-9, dot, hyphen and underscore.")
    write_keys = environment.get("RANKER_WRITE_KEYS") or None
    faults += configuration.secrets("RANKER_WRITE_KEYS", write_keys or "")[1]
    if faults:
        raise LocalFault("\n".join(faults))
    config = environment.get("RANKER_CONFIG") or None
    return Options(
        kafka,
        environment.get("RANKER_KAFKA_BOOTSTRAP") or None,
        environment.get("RANKER_REDIS_URL") or None,
        None if port is None else int(port),
        traffic == "1",
        None if log is None else Path(log).resolve(),
        pattern,
        site,
        None if config is None else Path(config),
        write_keys,
    )
