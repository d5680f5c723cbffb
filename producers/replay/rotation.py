"""Follows one path through rotations: renamed, copied and emptied, packed. The old file's rest comes before the new."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from producers.replay import tails
from producers.replay.position import Mark
from producers.replay.tails import Tail

SILENT_S = 600.0
"""A renamed file is read until nothing has come for so long: servers write on to it until they open the new one,
Apache's after a graceful restart as long as their longest request takes."""

_ROTATED = re.compile(r"[-._]?\d[\d._T:Z-]*")

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
        current = self._current
        try:
            if current is None or self.path.stat().st_ino != current.inode:
                self._begin()
                if current is not None:
                    current.came_s = self._now_s()
                    self._say(f"{self.path} is a new file; the one before it is read to its end first")
            elif current.was_truncated():
                self._read_copy(current)
                self._begin()
        except FileNotFoundError:
            if current is None:
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
        self._drop(current)
        copy = next((one for one in self._beside() if mark.head_bytes and tails.holds(one, mark)), None)
        if copy is None:
            self._say(f"{self.path} was emptied after byte {mark.offset:,}, and there is no copy of it beside it")
        else:
            self._say(f"{self.path} was emptied; what was not read of it is read from {copy} first")
            self._add(Tail.open(copy, mark, finished=True))

    def _restore(self) -> None:
        for number, mark in enumerate(list(self.marks)):
            is_last = number == len(self.marks) - 1
            if is_last and self._is_current(mark):
                self._current = self._add(Tail.open(self.path, mark))
                self._current.mark.inode = self._current.inode
            elif (found := self._find(mark)) is not None:
                self._add(Tail.open(found, mark, finished=found.stat().st_ino != mark.inode))
                if is_last:
                    for newer in self._rotated_after(found):
                        self._say(f"{newer} was written and rotated meanwhile; it is read first")
                        self._add(Tail.open(newer))
            elif mark.offset:
                self._say(f"the file that was {self.path}, sent up to byte {mark.offset:,}, is gone; its rest is lost")
        self._changed()

    def _is_current(self, mark: Mark) -> bool:
        try:
            same = bool(mark.head_bytes) or self.path.stat().st_ino == mark.inode
        except OSError:
            return False
        return same and tails.holds(self.path, mark)

    def _find(self, mark: Mark) -> Path | None:
        """The file under the name that it has now: itself, or a copy, packed or not."""
        beside = list(self._beside())
        by_inode = [one for one in beside if one.stat().st_ino == mark.inode]
        return next((one for one in by_inode + (beside if mark.head_bytes else []) if tails.holds(one, mark)), None)

    def _rotated_after(self, found: Path) -> list[Path]:
        """The path's files that were rotated later, the oldest first."""
        later = [one for one in self._beside() if one != found and self._is_rotated(one.name)]
        times = {one: one.stat().st_mtime_ns for one in later}
        return sorted((one for one in later if times[one] > found.stat().st_mtime_ns), key=times.__getitem__)

    def _is_rotated(self, name: str) -> bool:
        """`access.log.1`, `access.log-20261130.gz`, `access-20261130.log` and the like."""
        name = name.removesuffix(".gz")
        whole, stem, end = self.path.name, self.path.stem, self.path.suffix
        between = name.removeprefix(whole) if name.startswith(whole) else name.removeprefix(stem).removesuffix(end)
        return _ROTATED.fullmatch(between) is not None

    def _beside(self) -> Iterator[Path]:
        """The files of the directory whose names begin like the path's, but for itself and those open."""
        taken = {tail.path for tail in self._tails} | {self.path}
        for one in sorted(self.path.parent.iterdir()):
            if one.name.startswith(self.path.stem) and one not in taken and one.is_file():
                yield one

    def _add(self, tail: Tail) -> Tail:
        tail.came_s = self._now_s()
        self._tails.append(tail)
        self._changed()
        return tail

    def _drop(self, tail: Tail) -> None:
        tail.close()
        self._tails.remove(tail)
        self._changed()

    def _changed(self) -> None:
        self.marks[:] = [tail.mark for tail in self._tails]
        self.changed = True
