"""What every local server has in common: one child process that answers, and can be stopped and started again."""

from abc import ABC, abstractmethod
from pathlib import Path

from deploy.local import children, waiting
from deploy.local.faults import LocalFault


class Server(ABC):
    """A server process of our own. `start` returns when it answers; `directory` outlives a stop and a start."""

    name: str
    directory: Path
    start_within_s: float = 30.0

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self._child: children.Child | None = None

    @property
    def child(self) -> children.Child:
        if self._child is None:
            raise LocalFault(f"The {self.name} has not been started")
        return self._child

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.returncode() is None

    @abstractmethod
    def spawn(self) -> children.Child:
        """Start the process."""

    @abstractmethod
    def answers(self) -> bool:
        """Say whether it serves requests."""

    def start(self) -> None:
        """Start it and wait until it answers. Raises LocalFault with its last words if it does not."""
        if self.running:
            return
        self._child = self.spawn()

        def up() -> bool:
            if not self.running:
                raise self.child.death()
            return self.answers()

        try:
            waiting.until(f"The start of the {self.name}", up, self.start_within_s)
        except waiting.NotInTime as late:
            tail = self.child.tail()
            self.child.kill()
            raise LocalFault(f"{late}; its last words:\n{tail}") from late
        except LocalFault:
            self.child.kill()
            raise

    def stop(self) -> None:
        """End it as an operator would; it may save first."""
        if self._child is not None:
            self._child.stop()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self.child.kill()

    def suspend(self) -> None:
        """Freeze it: connections stay open and nothing answers (SIGSTOP)."""
        self.child.suspend()

    def resume(self) -> None:
        self.child.resume()
