"""The names that rotation gives to a log's files."""

from __future__ import annotations

import re

# Years, so that the addresses and ports in the names of other logs are no dates.
_DATE = r"[-._]?(?:(?:19|20)\d\d[-._]\d\d|\d{6})(?:[-._T:]*\d)*Z?"
_DATED = re.compile(_DATE)
_BEHIND = re.compile(rf"\.\d+|{_DATE}")


def is_rotated(name: str, log: str) -> bool:
    """Whether it is a rotated file of a log: of access.log, access.log.1, access.log-20261130.gz, access-20261130.log.

    Of a log with a date in its name, the same with another date is one, too.
    """
    name = name.removesuffix(".gz")
    if name == log:
        return False
    if name.startswith(log):
        return _BEHIND.fullmatch(name, len(log)) is not None
    return _DATED.sub("", name) == _DATED.sub("", log)


def beginning(log: str) -> str:
    """How the names of a log's files begin."""
    return _DATED.split(log)[0].rpartition(".")[0] or _DATED.split(log)[0]
