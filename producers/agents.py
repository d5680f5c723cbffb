"""Recognises crawlers by user agent, with the list of the crawler-user-agents project."""

from __future__ import annotations

import functools

from crawleruseragents import is_crawler

LONGEST = 512
"""Characters that are matched: a line of a log may contain a megabyte, which takes seconds and would be cached."""


def is_bot(user_agent: str) -> bool:
    """Whether `user_agent` names a known crawler. 60 µs for a new one, so results are cached."""
    return _is_bot(user_agent[:LONGEST])


@functools.lru_cache(maxsize=65_536)
def _is_bot(user_agent: str) -> bool:
    return bool(is_crawler(user_agent))
