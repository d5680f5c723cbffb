"""Random frames in random pieces, from a socket that is not read while it is paused: every byte, in its order."""

from __future__ import annotations

import asyncio
import random

from aiokafka import conn

from ranker.log.frames import Frame, Frames

_PIECES = (1, 44, 5_000, 66_000, 400_000)
_SIZES = (0, 1, 4, 5, 40, 3_000, 70_000, 600_000)


class Socket:
    """A transport, as far as a connection asks for it."""

    def __init__(self) -> None:
        self.is_paused = False

    def get_extra_info(self, _: str) -> None:
        return None

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def receive(frames: Frames, data: bytes) -> None:
    """As a transport does, in as many turns as there are rooms for it."""
    while data:
        room = frames.get_buffer(-1)
        some = data[: len(room)]
        room[: len(some)] = some
        frames.buffer_updated(len(some))
        data = data[len(some) :]


async def check(seed: int) -> None:
    """Raises AssertionError if frames differ from what was sent, if too much is received, or if it is waited for ever."""
    rng = random.Random(seed)
    loop, socket = asyncio.get_running_loop(), Socket()
    frames = Frames(loop.create_future(), asyncio.StreamReader(loop=loop), loop=loop)
    frames.connection_made(socket)
    sizes = [rng.choice(_SIZES) for _ in range(rng.randint(1, 9))]
    sent, found, turns = rng.randbytes(sum(sizes)), bytearray(), rng.choice(((0,), (0, 1), (0, 1, 20)))

    async def read_all() -> None:
        for size in sizes:
            for _ in range(rng.choice(turns)):
                await asyncio.sleep(0)
            frame = Frame(await frames.come(size))
            while some := frame.read(rng.choice((1_000, 100_000, 1_000_000))):
                found.extend(some)
                assert len(found) <= len(sent), "a frame has no end"
            frames.take(size)
            frames.let_go(size)

    reading, at = asyncio.create_task(read_all()), 0
    while at < len(sent) or not reading.done():
        for _ in range(1_000):
            if reading.done() or not (socket.is_paused or at == len(sent)):
                break
            await asyncio.sleep(0)
        assert reading.done() or not socket.is_paused, "what is waited for is not received"
        assert reading.done() or at < len(sent), "all was sent"
        if reading.done():
            break
        size = rng.choice(_PIECES)
        receive(frames, sent[at : at + size])
        at = min(at + size, len(sent))
        assert at - len(found) <= max(sizes) + 2 * conn.READER_LIMIT + size, "nobody waits for so much"
        if rng.random() < 0.5:
            await asyncio.sleep(0)
    await reading
    assert found == sent
