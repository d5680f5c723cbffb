"""The processes of one run, looked after together: a death among them is noticed whatever else is being waited for."""

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from deploy.local import children, waiting
from deploy.local.faults import LocalFault
from deploy.local.ports import HOST
from deploy.local.servers import Server

T = TypeVar("T")
PAUSE_S = 0.1


class Supervisor:
    """Servers, and the programs that use them. `directory` takes the programs' logs."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self.environment = environment
        self._servers: list[Server] = []
        self._programs: list[children.Child] = []
        self._may_end: set[str] = set()

    def add(self, server: Server) -> None:
        """Start a server and look after it."""
        self._servers.append(server)
        server.start()

    def start(
        self, name: str, argv: list[str | Path], *, may_end: bool = False, errors_shown: bool = False
    ) -> children.Child:
        """Start a program and look after it. One that `may_end` is not missed if it ends with code 0."""
        child = children.start(name, argv, self.log_of(name), self.environment, errors_shown=errors_shown)
        self._programs.append(child)
        if may_end:
            self._may_end.add(name)
        return child

    def run(
        self, name: str, argv: list[str | Path], within_s: float = 60.0, *, errors_shown: bool = False
    ) -> children.Child:
        """Run a program to its end while all others live. Raises LocalFault with its last words if it fails."""
        child = self.start(name, argv, may_end=True, errors_shown=errors_shown)
        self.until(f"The end of the {name}", lambda: child.returncode() is not None, within_s)
        self.check()
        return child

    def log_of(self, name: str) -> Path:
        return self.directory / f"{name.replace(' ', '-')}.log"

    def check(self) -> None:
        """Raise LocalFault, which names it, if a process that should run does not."""
        for child in [*(server.child for server in self._servers), *self._programs]:
            code = child.returncode()
            if code is not None and not (code == 0 and child.name in self._may_end):
                raise child.death()

    def until(self, what: str, ask: Callable[[], T], deadline_s: float) -> T:
        """Wait like `waiting.until`, and no longer than all live."""

        def all_alive() -> T:
            self.check()
            return ask()

        return waiting.until(what, all_alive, deadline_s, PAUSE_S)

    def until_ready(self, child: children.Child, admin_port: int, deadline_s: float) -> None:
        """Wait until a program says on its admin port that it is ready, or raise LocalFault with what it lacks."""
        try:
            self.until(f"The readiness of the {child.name}", lambda: not lacks(admin_port), deadline_s)
        except waiting.NotInTime as late:
            said = "\n".join([*lacks(admin_port), child.tail()])
            raise LocalFault(f"{late}. It says:\n{said}") from late

    def stop(self, patience_s: float) -> None:
        """End everything: first the programs, in time to leave in order, then the servers, whose data nobody needs."""
        children.stop_all(self._programs[::-1], patience_s)
        for server in self._servers:
            if server.running:
                server.kill()


def lacks(admin_port: int) -> list[str]:
    """Return why a process is not ready, by its own word; empty if it is."""
    connection = http.client.HTTPConnection(HOST, admin_port, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        said = json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError):
        return ["it does not answer on its admin port"]
    finally:
        connection.close()
    return [] if reply.status == 200 else [str(reason) for reason in said["reasons"]]
