"""Redis by its Sentinels: a primary, a replica, and what watches them and makes the one the other."""

import contextlib
from pathlib import Path

import redis

from deploy.local import children, waiting
from deploy.local.ports import HOST
from deploy.local.redis import RedisServer, Tls
from deploy.local.servers import Server

DOWN_AFTER_MS = 1_000


class Sentinel(RedisServer):
    """One that watches the server at `watched` under the name `service`, with the `quorum` of all of them."""

    def __init__(
        self,
        directory: Path,
        service: str,
        watched: RedisServer,
        quorum: int,
        *,
        tls: Tls | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        """Take further `lines` of its configuration."""
        super().__init__(directory, watched.binary, tls=tls)
        self.name = "Sentinel"
        self._service, self._watched, self._quorum, self._lines = service, watched, quorum, lines

    def spawn(self) -> children.Child:
        """It keeps what it learns in its file, so a second start goes on with that."""
        file = self.directory / "sentinel.conf"
        if not file.exists():
            file.write_text("\n".join(self._configuration()) + "\n")
        return children.start(
            self.name, [self.binary, file, "--sentinel"], self.directory / "sentinel.log", cwd=self.directory
        )

    def _configuration(self) -> list[str]:
        words = self.tls.words(self.port) if self.tls else ("--port", str(self.port))
        settings = [f"{name.removeprefix('--')} {value}" for name, value in zip(words[::2], words[1::2], strict=True)]
        own = f"sentinel {{}} {self._service} {{}}".format
        return [
            *(["port 0"] if self.tls else []),
            f"bind {HOST}",
            *settings,
            own("monitor", f"{HOST} {self._watched.port} {self._quorum}"),
            own("down-after-milliseconds", str(DOWN_AFTER_MS)),
            own("failover-timeout", "5000"),
            *self._lines,
        ]


class RedisBySentinel:
    """A primary, a replica and Sentinels. `url` is redis+sentinel://…/main/0, or rediss+sentinel:// with `tls`."""

    service = "main"

    def __init__(
        self, directory: Path, *, tls: Tls | None = None, sentinels: int = 3, extra: tuple[str, ...] = ()
    ) -> None:
        quick = ("--repl-diskless-sync-delay", "0", *extra)  # else a replica waits 5 s for further ones
        self.servers = [RedisServer(directory / f"server-{n}", extra=quick, tls=tls) for n in range(2)]
        quorum = sentinels // 2 + 1
        self.sentinels = [
            Sentinel(directory / f"sentinel-{n}", self.service, self.servers[0], quorum, tls=tls)
            for n in range(sentinels)
        ]

    @property
    def url(self) -> str:
        scheme = "rediss" if self.servers[0].tls else "redis"
        return f"{scheme}+sentinel://{','.join(f'{HOST}:{one.port}' for one in self.sentinels)}/{self.service}/0"

    @property
    def all(self) -> list[Server]:
        return [*self.servers, *self.sentinels]

    def start(self) -> None:
        """Start all; return when the replica is level and every Sentinel knows all others."""
        for server in self.servers:
            server.start()
        with self.servers[1].client() as client:
            client.replicaof(HOST, str(self.servers[0].port))
        for sentinel in self.sentinels:
            sentinel.start()
        waiting.until("The Sentinels' knowledge of each other", self.agree, 30.0)

    def agree(self) -> bool:
        """Say whether each Sentinel knows the others and the replica, of one primary that is up."""
        with contextlib.suppress(redis.RedisError, KeyError):
            found = []
            for sentinel in self.sentinels:
                with sentinel.client() as client:
                    state = client.sentinel_master(self.service)
                found.append((state["port"], state["num-other-sentinels"], state["num-slaves"], state["flags"]))
            return set(found) == {(self.primary().port, len(self.sentinels) - 1, 1, "master")}
        return False

    def primary(self) -> RedisServer:
        """The server that calls itself primary and whose replica is level; raises KeyError without one."""
        for server in self.servers:
            with contextlib.suppress(redis.RedisError), server.client() as client:
                state = client.info("replication")
                if state["role"] == "master" and any(
                    isinstance(state.get(f"slave{n}"), dict) and state[f"slave{n}"]["state"] == "online"
                    for n in range(2)
                ):
                    return server
        raise KeyError("no primary has a replica")

    def stop(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def flush(self) -> None:
        self.primary().flush()
