"""Which user agents are crawlers, by the list that the crawler-user-agents project keeps."""

from __future__ import annotations

import functools

from crawleruseragents import is_crawler

LONGEST = 512
"""Characters that are looked at: a line of a log may bring a megabyte, which takes seconds and would be remembered."""


def is_bot(user_agent: str) -> bool:
    """Whether `user_agent` names a known crawler. 60 µs for a new one, so the answers are kept."""
    return _is_bot(user_agent[:LONGEST])


@functools.lru_cache(maxsize=65_536)
def _is_bot(user_agent: str) -> bool:
    return bool(is_crawler(user_agent))
