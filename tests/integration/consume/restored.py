"""A Redis that comes back as it was some time ago, while views come in."""

from __future__ import annotations

import shutil
from pathlib import Path

from deploy.local.redis import RedisServer
from tests.integration.consume.engine import Engine


async def restore_older_state(engine: Engine, server: RedisServer, older: Path, more: int) -> None:
    """Copies the server's data to `older`, and puts the copy back once `more` views came; ends when all is passed again."""
    await engine.until_counted()
    server.stop()
    shutil.copytree(server.directory, older)
    server.start()
    before = engine.traffic.sent

    async def much_more() -> bool:
        return engine.traffic.sent > before + more

    await engine.until("more traffic", much_more)
    await engine.until_counted()
    newer = await engine.applied()
    server.kill()
    shutil.rmtree(server.directory)
    shutil.copytree(older, server.directory)
    server.start()

    async def counts_again() -> bool:
        return all(n > then for n, then in zip(await engine.applied(), newer, strict=True))

    await engine.until("counting again", counts_again)
