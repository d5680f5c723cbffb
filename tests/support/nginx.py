"""nginx as deploy/nginx.conf has it, on ports and in a directory of the test's own."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from deploy.local import children
from deploy.local.kafka_jars import CHECKOUT
from deploy.local.ports import HOST, free_port, is_listening
from deploy.local.servers import Server

CONF = CHECKOUT / "deploy" / "nginx.conf"
UPSTREAMS = CONF.with_name("nginx-upstreams.conf")
_MAIN = """\
daemon off;
{user}
pid {directory}/pid;
error_log stderr warn;
worker_processes {workers};
events {{ worker_connections 10000; }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {servers}
}}
"""


def balancing(
    port: int, readers: Sequence[int], directory: Path, collector: int | None = None, *, limited: bool = False
) -> str:
    """nginx.conf and its upstreams with these ports and its cache in `directory`; without `collector` nobody listens there.

    Only if `limited` is one client held to so many requests: all load comes from one.
    """
    upstreams = UPSTREAMS.read_text().replace("127.0.0.1:8082", f"{HOST}:{collector or free_port()}")
    for usual, reader in zip(re.findall(r"server 127\.0\.0\.1:(\d+) max_fails", upstreams), readers, strict=True):
        upstreams = upstreams.replace(f"127.0.0.1:{usual}", f"{HOST}:{reader}")
    conf = upstreams + CONF.read_text()
    if not limited:
        conf = re.sub("limit_req zone=.*;", "", conf)
    return conf.replace("listen 80;", f"listen {HOST}:{port};").replace("/var/cache/nginx", str(directory))


class Nginx(Server):
    """nginx with these servers; `port` is the one that is checked for being up."""

    def __init__(self, binary: Path, directory: Path, servers: str, port: int, workers: int = 1) -> None:
        super().__init__("nginx", directory)
        self.binary = binary
        self.port = port
        self.conf = directory / "nginx.conf"
        self.log = directory / "nginx.log"
        user = "" if os.geteuid() else "user root;"  # else its workers could not enter the test's directory
        self.text = _MAIN.format(directory=directory, workers=workers, servers=servers, user=user)

    @classmethod
    def before(
        cls,
        binary: Path,
        directory: Path,
        readers: Sequence[int],
        *,
        caching: bool = True,
        collector: int | None = None,
        limited: bool = False,
    ) -> Nginx:
        """In front of two readers and perhaps a collector; without `caching` every request reaches one of them."""
        port = free_port()
        servers = balancing(port, readers, directory, collector, limited=limited)
        return cls(binary, directory, servers if caching else servers.replace("proxy_cache ranker;", ""), port)

    def spawn(self) -> children.Child:
        self.conf.write_text(self.text)
        argv: list[str | Path] = [self.binary, "-p", self.directory, "-c", self.conf]
        return children.start(self.name, argv, self.log)

    def answers(self) -> bool:
        return is_listening(self.port)
