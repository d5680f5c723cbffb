"""What an empty ranker.toml gives, for tests that configure nothing or little."""

from typing import Any

from producers.collector import settings as collector
from ranker import settings
from ranker.core.generation import Generation, from_table
from ranker.core.source import Source
from schemas import configuration
from schemas.article_id import DEFAULT

TABLE = configuration.filled({})
CACHING = settings.load(None, {}).caching
DEFAULT_WINDOWS, DEFAULT_BOARDS = settings.DEFAULT_GENERATION.windows, settings.DEFAULT_GENERATION.boards
LONGEST_WINDOW_MS = configuration.longest_window_ms(TABLE)
STREAMS, LISTS_S = TABLE["serve"]["client_streams"], TABLE["serve"]["client_lists_s"]


def collector_site(
    origins: tuple[str, ...] = (), hosts: tuple[str, ...] = (), key: str | None = None
) -> collector.Site:
    site = configuration.filled({"sites": {"demo": {}}})["sites"]["demo"]
    return collector.Site(origins, hosts, frozenset(site["public_types"]), site["visitors"], DEFAULT, key)


def source(table: dict[str, Any]) -> Source:
    """As [source] with these keys is read."""
    return Source.from_table(configuration.filled({"source": table})["source"], {})


def press(**rules: Any) -> Generation:
    """The generation of a ranker.toml that has nothing but [rules], by default every one."""
    return from_table(configuration.filled({"rules": {"preset": "press", **rules}}))


PRESS = press()
"""The generation of an empty ranker.toml with every rule in force."""
