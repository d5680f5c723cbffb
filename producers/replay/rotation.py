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
        self._unfound: Mark | None = None
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
                self._begin()
                if current is not None:
                    current.came_s = self._now_s()
                    self._say(f"{self.path} is a new file; the one before it is read to its end first")
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

    def _restore(self) -> None:
        marks = list(self.marks)
        self._unfound = marks[-1] if marks else None
        for mark in marks[:-1]:
            if (found := self._find(mark)) is not None:
                self._add(Tail.open(found, mark, finished=_inode(found) != mark.inode))
            else:
                self._lost(mark)
        self._changed()

    def _restore_last(self, mark: Mark) -> bool:
        """Opens the file that was the current one; False if it may be there later, since the path does not exist.

        Raises OSError if it cannot be read.
        """
        if self._is_current(mark):
            self._current = self._add(Tail.open(self.path, mark))
            mark.inode = self._current.inode
        elif (found := self._find(mark)) is not None:
            self._add(Tail.open(found, mark, finished=_inode(found) != mark.inode))
            for newer in self._rotated_after(found):
                self._say(f"{newer} was written and rotated meanwhile; it is read first")
                self._add(Tail.open(newer))
        elif not self.path.exists():
            return False
        else:
            self._lost(mark)
        self._unfound = None
        self._changed()
        return True

    def _lost(self, mark: Mark) -> None:
        if mark.offset:
            self._say(f"the file that was {self.path}, sent up to byte {mark.offset:,}, is gone; its rest is lost")

    def _is_current(self, mark: Mark) -> bool:
        if not self.path.exists():
            return False
        self.path.open("rb").close()  # one that may not be read now is not another one
        return (bool(mark.head_bytes) or _inode(self.path) == mark.inode) and tails.holds(self.path, mark)

    def _find(self, mark: Mark) -> Path | None:
        """The file under the name that it has now: itself, or a copy, packed or not."""
        beside = list(self._beside())
        by_inode = [one for one in beside if _inode(one) == mark.inode]
        return next((one for one in by_inode + (beside if mark.head_bytes else []) if tails.holds(one, mark)), None)

    def _rotated_after(self, found: Path) -> list[Path]:
        """The path's files that were rotated later, the oldest first."""
        times = {one: _mtime_ns(one) for one in self._beside() if one != found and self._is_rotated(one.name)}
        return sorted((one for one, at in times.items() if at > _mtime_ns(found)), key=times.__getitem__)

    def _is_rotated(self, name: str) -> bool:
        """`access.log.1`, `access.log-20261130.gz`, `access-20261130.log` and the like."""
        name = name.removesuffix(".gz")
        whole, stem, end = self.path.name, self.path.stem, self.path.suffix
        between = name.removeprefix(whole) if name.startswith(whole) else name.removeprefix(stem).removesuffix(end)
        return _ROTATED.fullmatch(between) is not None

    def _beside(self) -> Iterator[Path]:
        """The files of the directory whose names begin like the path's, but for itself and those open."""
        taken = {tail.path for tail in self._tails} | {self.path}
        for one in sorted(self.path.parent.glob("*")):
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
        if tail is self._current:
            self._current = None
        self._changed()

    def _changed(self) -> None:
        self.marks[:] = [*(tail.mark for tail in self._tails), *([self._unfound] if self._unfound else [])]
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
