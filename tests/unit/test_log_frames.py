"""Frames of Kafka from pieces: what comes in any pieces is handed out whole, and the end is said."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import conn

from ranker.log import frames
from ranker.log.frames import Frames
from tests.property.frames import check, receive


class Receiving:
    """Counts how often the socket is read no more, and again."""

    def __init__(self) -> None:
        self.paused = self.resumed = 0

    def get_extra_info(self, _: str) -> None:
        return None

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.resumed += 1


def connected() -> tuple[Frames, Receiving]:
    loop = asyncio.get_running_loop()
    made, receiving = Frames(loop.create_future(), asyncio.StreamReader(loop=loop), loop=loop), Receiving()
    made.connection_made(receiving)
    return made, receiving


async def read(frames: Frames, size: int) -> bytes:
    found = bytes(await frames.come(size))
    frames.take(size)
    frames.let_go(size)
    return found


async def until_all_wait() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_any_pieces_give_the_same_frames() -> None:
    """Frames of any size, none among them, read before or after their bytes come."""
    for seed in range(300):
        await check(seed)


async def test_the_end_is_said() -> None:
    """What is not whole is an error: that of the connection, or that it has ended, with what had come."""
    made, _ = connected()
    receive(made, b"abc")
    waiting = asyncio.create_task(read(made, 4))
    await until_all_wait()
    made.eof_received()
    with pytest.raises(asyncio.IncompleteReadError) as ended:
        await waiting
    assert ended.value.partial == b"abc"

    made, _ = connected()
    waiting = asyncio.create_task(read(made, 1))
    await until_all_wait()
    made.connection_lost(ConnectionResetError("reset"))
    with pytest.raises(ConnectionResetError):
        await waiting
    with pytest.raises(ValueError, match="-1 bytes"):
        await read(made, -1)


async def test_what_nobody_waits_for_is_not_received() -> None:
    """A broker that sends without end fills no memory; a large frame that is waited for is never held up."""
    made, receiving = connected()
    for _ in range(3):
        receive(made, bytes(conn.READER_LIMIT))
    assert (receiving.paused, receiving.resumed) == (1, 0)
    assert len(await read(made, conn.READER_LIMIT)) == conn.READER_LIMIT
    waiting = asyncio.create_task(read(made, 40 * conn.READER_LIMIT))
    await until_all_wait()
    assert (receiving.paused, receiving.resumed) == (1, 1)
    for _ in range(38):
        receive(made, bytes(conn.READER_LIMIT))
    assert len(await waiting) == 40 * conn.READER_LIMIT
    assert (receiving.paused, receiving.resumed) == (1, 1)


async def test_what_is_no_size_takes_no_memory() -> None:
    """TLS or HTTP on the other side: what the first four bytes say is believed as far as more bytes come."""
    for answer in (b"\x15\x03\x03\x00\x02\x02\x46", b"HTTP/1.1 400 Bad Request\r\n"):
        made, _ = connected()
        waiting = asyncio.create_task(made.come(int.from_bytes(answer[:4], "big")))
        await until_all_wait()
        receive(made, answer)
        assert len(made.get_buffer(-1)) < 10 * conn.READER_LIMIT
        made.eof_received()
        with pytest.raises(asyncio.IncompleteReadError):
            await waiting


async def test_small_frames_have_one_room() -> None:
    made, _ = connected()
    room = made._room.obj
    for _ in range(50):
        receive(made, bytes(5))
        await read(made, 4)
        await read(made, 1)
    assert made._room.obj is room
    receive(made, bytes(40 * conn.READER_LIMIT))
    await read(made, 40 * conn.READER_LIMIT)
    receive(made, bytes(4))
    await read(made, 4)
    assert len(made._room) == 2 * conn.READER_LIMIT, "a backlog is over"


async def test_a_reading_that_is_given_up_takes_nothing() -> None:
    made, _ = connected()
    waiting = asyncio.create_task(read(made, 4))
    await until_all_wait()
    waiting.cancel()
    receive(made, b"abcdef")
    await asyncio.wait([waiting])
    assert await read(made, 6) == b"abcdef"


def test_another_client_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = frames._original[0]  # what it replaces
    monkeypatch.setattr(conn, "AIOKafkaProtocol", own)
    monkeypatch.setattr(frames, "_KNOWN_SOURCE", "another version")
    assert not frames.install()
    assert conn.AIOKafkaProtocol is own
