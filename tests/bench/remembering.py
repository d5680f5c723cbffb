"""`python -m tests.bench.remembering URL PARTITION`: loads what rules remember of a shard as a consumer does, and prints what that took."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time

import uvloop

from ranker.connect.redis import connect
from ranker.consume.memories import Memories
from ranker.core.generation import Generation
from ranker.core.rules import Rules
from ranker.store.shard import ShardStore
from tests.bench import processes
from tests.support.defaults import DEFAULT_BOARDS, DEFAULT_WINDOWS
from tests.support.redis_at import redis_at

HOUR_MS = 3_600_000
RULES = Rules("duplicate@1", "", "unique_item@counter-5.1", ("view",), HOUR_MS, HOUR_MS, 20_000_000)
GENERATION = Generation("bench-rules", DEFAULT_WINDOWS, DEFAULT_BOARDS, rules=RULES)
_TICK_S = 0.001


class Blocks:
    """How long the event loop has stood still at most: a task that wants to run every millisecond looks at the clock."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            self.longest_s = max(self.longest_s, time.perf_counter() - began - _TICK_S)


async def main(url: str, partition: int) -> dict[str, float]:
    async with connect(redis_at(url)) as client:
        store, memories, blocks = ShardStore(client, GENERATION, partition), Memories(RULES), Blocks()
        state = await store.load()
        if state is None:
            raise RuntimeError("the shard of the bench is not there")
        gc.collect()
        before = processes.resident_bytes(os.getpid())
        watching = asyncio.create_task(blocks.watch())
        await asyncio.sleep(0)
        began, cpu = time.perf_counter(), time.process_time()
        memory = await memories.load(partition, store, state)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        watching.cancel()
        if memory is None:
            raise RuntimeError("the rules of the bench remember nothing")
        return {
            "keys": memory.size,
            "seconds": seconds,
            "cpu_s": cpu_s,
            "longest_block_ms": blocks.longest_s * 1000,
            "bytes": memory.bytes,
            "resident_bytes": processes.resident_bytes(os.getpid()) - before,
        }


if __name__ == "__main__":
    json.dump(uvloop.run(main(sys.argv[1], int(sys.argv[2]))), sys.stdout)
