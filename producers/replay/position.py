"""How far followed files have been sent, kept in a file so that a restart neither loses nor repeats lines."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

import msgspec

from producers.client.producer import new_producer_id

_LARGEST_BYTES = 16 << 20
"""A position has some 300 bytes a file."""


class StateError(Exception):
    """The file cannot be used; the message says what to do."""


class Mark(msgspec.Struct):
    """One file: what it is known by, wherever it is renamed or copied to, and how far its lines have been sent.

    `key` is random, and makes event ids together with the lines' places. `head` is the digest of its first
    `head_bytes`. `kind` is its format, before anything was sent that of the file before it, "" if neither is known.
    `header` is the last #Fields before `offset`.
    """

    key: str
    inode: int
    offset: int = 0
    head_bytes: int = 0
    head: str = ""
    kind: str = ""
    header: str = ""

    @classmethod
    def new(cls, inode: int) -> Self:
        """The mark of a file of which nothing has been sent."""
        return cls(os.urandom(16).hex(), inode)


class _State(msgspec.Struct):
    version: int
    topic: str
    producer_id: str
    sequence: int
    files: dict[str, list[Mark]]


class Position:
    """The file at `path`, of this process alone until `close`.

    `marks` are those of each followed path, the oldest file first. `producer_id` and `sequence` number the events, so
    that one that is sent again has its number, too. What is changed here is kept by `save`.
    """

    def __init__(self, path: Path, topic: str) -> None:
        """Raises StateError if another process has the file, or if it is none of ours or of another topic."""
        # Of a link the target: to replace the link would leave two positions.
        self._path = path = Path(os.path.realpath(path))
        try:
            if path.exists() and not path.is_file():
                raise StateError(f"{path} is no file, but a device or a pipe. Choose another --state.")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise StateError(f"{path} cannot be written: {error.strerror}. Choose another --state.") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            state = _read(path, topic)
        except BlockingIOError as error:
            self.close()
            raise StateError(
                f"{path} belongs to another process that follows. End that one, or choose another --state."
            ) from error
        except OSError as error:
            self.close()
            raise StateError(f"{path} cannot be read: {error.strerror}. Choose another --state.") from error
        except StateError:
            self.close()
            raise
        self._state = state
        self.marks = state.files
        self.producer_id = state.producer_id
        self.sequence = state.sequence

    def save(self) -> None:
        """Writes it, durably and at once: a process that dies leaves this state or the one before."""
        self._state.sequence = self.sequence
        beside = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as out:  # noqa: PTH123 - the mode is the descriptor's
            out.write(msgspec.json.format(msgspec.json.encode(self._state)) + b"\n")
            out.flush()
            os.fsync(descriptor)
        beside.replace(self._path)

    def close(self) -> None:
        """Lets another process have it."""
        os.close(self._lock)


def _read(path: Path, topic: str) -> _State:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES)
    except FileNotFoundError:
        return _State(1, topic, new_producer_id("replay"), 0, {})
    try:
        state = msgspec.json.decode(content, type=_State)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateError(f"{path} holds no position of replay ({error}). Choose another --state.") from error
    if state.version != 1:
        raise StateError(f"{path} was written by another version ({state.version}). Choose another --state.")
    if state.topic != topic:
        raise StateError(f"{path} is the position in topic {state.topic}. Choose another --state for {topic}.")
    return state
