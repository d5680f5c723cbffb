"""Caddy as deploy/Caddyfile has it, on ports and in a directory of the test's own, with certificates of its own CA."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from deploy.local import children
from deploy.local.kafka_jars import CHECKOUT
from deploy.local.ports import HOST, free_port, is_listening
from deploy.local.servers import Server

CONF = CHECKOUT / "deploy" / "Caddyfile"
READERS, COLLECTOR = "popular.example.org", "views.example.org"


class Caddy(Server):
    """In front of two readers and perhaps a collector; `port` speaks TLS."""

    def __init__(self, binary: Path, directory: Path, readers: Sequence[int], collector: int | None = None) -> None:
        super().__init__("caddy", directory)
        self.binary = binary
        self.port = free_port()
        self.conf = directory / "Caddyfile"
        self.log = directory / "caddy.log"
        conf = CONF.read_text().replace("127.0.0.1:8082", f"{HOST}:{collector or free_port()}")
        usual = "127.0.0.1:8080 127.0.0.1:8081"
        assert usual in conf
        conf = conf.replace(usual, " ".join(f"{HOST}:{port}" for port in readers))
        # Nothing but ports and certificates is the test's; and a name that wrk can look up.
        conf = conf.replace(f"\n{READERS} {{", f"\n{READERS}, localhost {{")
        own = f"admin off\n\tlocal_certs\n\tskip_install_trust\n\tdefault_bind {HOST}\n"
        own += f"\thttp_port {free_port()}\n\thttps_port {self.port}\n\tstorage file_system {directory}\n"
        self.text = re.sub(r"^{\n", f"{{\n\t{own}", conf, count=1, flags=re.MULTILINE)

    def spawn(self) -> children.Child:
        self.conf.write_text(self.text)
        argv: list[str | Path] = [self.binary, "run", "--config", self.conf, "--adapter", "caddyfile"]
        home = {
            "HOME": str(self.directory),
            "XDG_DATA_HOME": str(self.directory),
            "XDG_CONFIG_HOME": str(self.directory),
        }
        return children.start(self.name, argv, self.log, home)

    def answers(self) -> bool:
        if not is_listening(self.port):
            return False
        try:
            self.connect(READERS).close()
            self.connect(COLLECTOR).close()
        except OSError:  # no certificate yet
            return False
        return True

    def connect(self, host: str, source: str = HOST) -> ssl.SSLSocket:
        """A connection for HTTP/1.1 to one of its names; `source` is the client's address."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((HOST, self.port), timeout=10, source_address=(source, 0))
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def request(
        self,
        host: str,
        target: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        source: str = HOST,
    ) -> tuple[int, bytes]:
        """Status and body."""
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.sock = self.connect(host, source)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
