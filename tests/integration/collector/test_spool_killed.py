"""The spool over kill -9 and beside a second process."""

import random
import signal
from pathlib import Path

import pytest

from producers.collector.delivery.spool import Spool, SpoolError
from tests.support.spool_process import LIMIT, records
from tests.support.spool_talk import start, talk


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    async with Spool.open(tmp_path, LIMIT) as spool:
        await spool.put(records(0, 1), doubtful=False)
        code, said = await talk(tmp_path, "drain")
        assert code != 0
        assert f"The spool {spool.path} is in use by another process. Give each" in said[-1]
        with pytest.raises(SpoolError, match="in use by another process"):
            async with Spool.open(tmp_path, LIMIT):
                pass
    code, said = await talk(tmp_path, "drain")
    assert (code, said) == (0, ["sent 0 0", "empty"])


@pytest.mark.parametrize("seed", range(6))
def test_kill_9_loses_nothing(tmp_path: Path, seed: int) -> None:
    """Random histories of putting and sending, each process killed at a random moment.

    Whatever was said to be stored is sent or there; what was sent twice was marked; the order holds.
    """
    rng = random.Random(seed)
    stored: set[int] = set()
    sent: list[int] = []
    repeats, doubtful, first = 0, 0, 0
    seen: set[int] = set()
    for turn in range(9):
        if turn == 8:
            said = ended(tmp_path, "drain")
        elif turn == 0 or rng.random() < 0.5:
            lines = rng.randrange(1, 60)
            said = until_killed(tmp_path, rng, lines, "put", first, rng.choice((1, 7, 400)), rng.choice((1, 20)))
        else:
            said = until_killed(tmp_path, rng, rng.randrange(1, 4), "drain")
        for line in said:
            what, *rest = line.split()
            if what == "stored":
                stored |= set(range(int(rest[0]), int(rest[0]) + int(rest[1])))
            elif what == "sent":
                doubtful += int(rest[0])
                found = list(map(int, rest[1:]))
                assert found == sorted(found)
                repeats += len(seen & set(found))
                sent += [n for n in found if n not in seen]
                seen |= set(found)
        # Numbers of a killed process may have been stored without a word.
        first += 1_000_000
    assert stored
    assert stored <= seen
    assert sent == sorted(sent)
    assert repeats <= doubtful


def until_killed(directory: Path, rng: random.Random, lines: int, *words: object) -> list[str]:
    """The whole lines that a process has printed before it is killed, soon after so many, or ends."""
    with start(directory, *words) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if len(said) >= lines:
                # A fraction of a commit later, so that every moment in it can be the last.
                rng.random() < 0.7 and signal.sigtimedwait([], rng.random() * 0.004)
                process.send_signal(signal.SIGKILL)
                break
        said += process.stdout
    return [line for line in said if line.endswith("\n")]


def ended(directory: Path, *words: object) -> list[str]:
    with start(directory, *words) as process:
        assert process.stdout is not None
        said = list(process.stdout)
    assert process.returncode == 0, said
    return said
