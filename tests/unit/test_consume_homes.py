"""Strays are found whatever is remembered, and what is remembered does not grow with the partitions."""

import pytest

from ranker.consume import homes
from ranker.consume.homes import Homes
from ranker.core.home import home

PARTITIONS = 64
ARTICLES = {site: {f"/{number}" for number in range(400)} for site in ("demo", "other")}


def strays_of(partition: int) -> set[str]:
    names = {f"{site}/{article}" for site, articles in ARTICLES.items() for article in articles}
    return {name for name in names if home(name.encode(), PARTITIONS) != partition}


async def test_one_bound_for_all_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has 64 of them holds no more than one that has one; beyond the bound it begins anew."""
    monkeypatch.setattr(homes, "_MOST", 100)
    remembered = Homes()
    for partition in [*range(PARTITIONS), 0]:
        assert await remembered.strays(partition, PARTITIONS, ARTICLES) == strays_of(partition)
        assert sum(map(len, remembered._at_home.values())) <= 100


async def test_what_is_remembered_is_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strays are: marks can be lost. So is everything, once there are more partitions."""
    remembered = Homes()
    await remembered.strays(0, PARTITIONS, ARTICLES)
    looked_up: list[tuple[bytes, int]] = []

    def noted(key: bytes, partitions: int) -> int:
        looked_up.append((key, partitions))
        return home(key, partitions)

    monkeypatch.setattr(homes, "_home", noted)
    assert await remembered.strays(0, PARTITIONS, ARTICLES) == strays_of(0)
    assert {key.decode() for key, _ in looked_up} == strays_of(0)
    await remembered.strays(0, PARTITIONS + 1, ARTICLES)
    assert sum(partitions == PARTITIONS + 1 for _, partitions in looked_up) == 800
