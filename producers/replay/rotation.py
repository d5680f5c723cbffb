"""Follows one path through rotations: renamed, copied and emptied, packed. The old file's rest comes before the new."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from producers.replay import rotated_names, tails
from producers.replay.position import Mark
from producers.replay.tails import Tail

SILENT_S = 600.0
"""A renamed file is read until nothing has come for so long: servers write on to it until they open the new one,
Apache's after a graceful restart as long as their longest request takes."""

_REMEMBERED = 50
"""Files read to their end that are recognised when one is looked for that was not."""

Say = Callable[[str], None]


class Followed:
    """A path whose lines are read as they come, from where `marks` are: of its files, the oldest first.

    `marks` is kept up to date; `changed` says that it was since the caller has set it to False. `now_s` is a clock that
    does not jump, `say` gets a sentence about each thing that happens to the file.
    """

    def __init__(self, path: Path, marks: list[Mark], say: Say, now_s: Callable[[], float]) -> None:
        self.path = path
        self.marks = marks
        self.changed = False
        self._say = say
        self._now_s = now_s
        self._waiting = ""
        self._tails: list[Tail] = []
        self._current: Tail | None = None
        self._unfound: Mark | None = None
        self._unread: list[Mark] = []
        self._read = deque[Mark](maxlen=_REMEMBERED)
        self._restore()

    def close(self) -> None:
        for tail in self._tails:
            tail.close()

    def poll(self) -> tuple[Tail, list[tuple[int, str]]] | None:
        """The next lines of the oldest file that has any; None if there are none now."""
        self._look()
        now_s = self._now_s()
        for tail in list(self._tails):
            try:
                taken = tail.take()
            except tails.DAMAGED as error:
                self._say(f"{tail.path} cannot be read beyond byte {tail.position:,}, what follows is lost: {error}")
                self._drop(tail)
                continue
            if taken:
                tail.came_s = now_s
                return tail, taken
            if tail is not self._current and (tail.finished or now_s - tail.came_s >= SILENT_S):
                if last := tail.take_last():
                    return tail, last
                self._drop(tail)
        return None

    def grows(self, tail: Tail) -> bool:
        """Whether more lines are to be expected of it."""
        return tail is self._current

    def _look(self) -> None:
        """Notices that the file was replaced or emptied."""
        try:
            if self._unfound is not None and not self._restore_last(self._unfound):
                self._wait(f"{self.path} does not exist; waiting for it")
                return
            current = self._current
            if current is None or self.path.stat().st_ino != current.inode:
                if current is not None:
                    current.came_s = self._now_s()
                    self._say(f"{self.path} is a new file; the one before it is read to its end first")
                    self._add_rotated_after(current.mark, current.mtime_ns)
                self._begin()
            elif current.was_truncated():
                self._read_copy(current)
                self._begin()
        except FileNotFoundError:
            if self._current is None:
                self._wait(f"{self.path} does not exist; waiting for it")
        except OSError as error:
            self._wait(f"{self.path} cannot be read: {error.strerror}; trying again")
        else:
            self._waiting = ""

    def _wait(self, why: str) -> None:
        if why != self._waiting:
            self._waiting = why
            self._say(why)

    def _begin(self) -> None:
        self._current = self._add(Tail.open(self.path))

    def _read_copy(self, current: Tail) -> None:
        """Of a file that was emptied the lines that were not read are in a copy, if one was made."""
        mark = current.mark
        copy = next((one for one in self._beside() if mark.head_bytes and tails.holds(one, mark)), None)
        rest = None if copy is None else Tail.open(copy, mark, finished=True)
        self._drop(current)
        if rest is None:
            self._say(f"{self.path} was emptied after byte {mark.offset:,}, and there is no copy of it beside it")
        else:
            self._say(f"{self.path} was emptied; what was not read of it is read from {copy} first")
            self._add(rest)
            self._add_rotated_after(mark, rest.mtime_ns)

    def _restore(self) -> None:
        marks = list(self.marks)
        self._unfound = marks[-1] if marks else None
        for mark in marks[:-1]:
            if self._reopen(mark) is None:
                self._lost(mark)
        self._changed()

    def _restore_last(self, mark: Mark) -> bool:
        """Opens the file that was the current one; False if it may be there later, since the path does not exist.

        Raises OSError if it cannot be read.
        """
        if self._is_current(mark):
            self._current = self._add(Tail.open(self.path, mark))
            mark.inode = self._current.inode
        elif (found := self._reopen(mark)) is not None:
            self._add_rotated_after(mark, _mtime_ns(found))
        elif not self.path.exists():
            return False
        else:
            self._lost(mark)
        self._unfound = None
        self._changed()
        return True

    def _reopen(self, mark: Mark) -> Path | None:
        """The file under the name that it has now: itself, or a copy, packed or not. It is read from the mark on."""
        beside = list(self._beside())
        by_inode = [one for one in beside if _inode(one) == mark.inode]
        for one in by_inode:
            try:
                one.open("rb").close()
            except OSError as error:
                self._say(f"{one} cannot be read: {error.strerror}; the next start goes on at its byte {mark.offset:,}")
                self._unread.append(mark)
                return one
        for one in by_inode + (beside if mark.head_bytes else []):
            if tails.holds(one, mark):
                self._add(Tail.open(one, mark, finished=_inode(one) != mark.inode))
                return one
        return None

    def _lost(self, mark: Mark) -> None:
        self._read.append(mark)
        if mark.offset:
            self._say(f"the file that was {self.path}, sent up to byte {mark.offset:,}, is gone; its rest is lost")

    def _is_current(self, mark: Mark) -> bool:
        if not self.path.exists():
            return False
        self.path.open("rb").close()  # one that may not be read now is not another one
        return (bool(mark.head_bytes) or _inode(self.path) == mark.inode) and tails.holds(self.path, mark)

    def _add_rotated_after(self, mark: Mark, mtime_ns: int) -> None:
        """Queues the path's files that were rotated after the marked one, the oldest first."""
        # Those that were read may have been written to or packed since, and so be newer.
        read = [one for one in (mark, *self._read, *(tail.mark for tail in self._tails)) if one.head_bytes]
        times = {
            one: at
            for one in self._beside()
            if any(rotated_names.is_rotated(one.name, place.name) for place in self._places())
            and (at := _mtime_ns(one)) > mtime_ns
            and not any(tails.holds(one, known) for known in read)
        }
        for one in sorted(times, key=times.__getitem__):
            self._say(f"{one} was written and rotated meanwhile; it is read first")
            self._add(Tail.open(one))

    def _places(self) -> set[Path]:
        """The path, and what it is a link to."""
        return {self.path, Path(os.path.realpath(self.path))}

    def _beside(self) -> Iterator[Path]:
        """The files of the directory whose names begin like the path's, but for itself and those open."""
        taken = {tail.inode for tail in self._tails} | {_inode(self.path)}
        for place in sorted(self._places()):
            start = rotated_names.beginning(place.name)
            for one in sorted(place.parent.glob("*")):
                if one.name.startswith(start) and one.is_file() and (inode := _inode(one)) not in taken:
                    taken.add(inode)
                    yield one

    def _add(self, tail: Tail) -> Tail:
        tail.came_s = self._now_s()
        before = [*self._read, *(one.mark for one in self._tails)]
        tail.mark.kind = tail.mark.kind or next((mark.kind for mark in reversed(before) if mark.kind), "")
        self._tails.append(tail)
        self._changed()
        return tail

    def _drop(self, tail: Tail) -> None:
        self._read.append(tail.mark)
        tail.close()
        self._tails.remove(tail)
        if tail is self._current:
            self._current = None
        self._changed()

    def _changed(self) -> None:
        self.marks[:] = [
            *self._unread,
            *(tail.mark for tail in self._tails),
            *([self._unfound] if self._unfound else []),
        ]
        self.changed = True


def _inode(path: Path) -> int:
    """-1 of a file that is gone."""
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1
