"""The errors between a process and its Redis, as the rest of the code handles them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from ranker.connect.redis_errors import RULES, UNREACHABLE, described


class StoreUnavailableError(Exception):
    """Redis does not answer, or does not take writes for now: retry the same call."""


class StoreForbidsError(StoreUnavailableError):
    """Redis forbids this user the command: the same call succeeds once it is granted."""


class NothingCountedError(StoreUnavailableError):
    """Redis replies, and has no generation or no shard to read: no consumer has counted yet."""


class StoreFullError(Exception):
    """Redis refuses writes for lack of memory (maxmemory with policy noeviction)."""


_NOT_NOW = ("NOREPLICAS", "MISCONF", "BUSY", "UNBLOCKED")
"""Errors of a Redis that cannot write for now: its disk is full, its replicas are gone, a script still runs."""


def may_pass(error: exceptions.ResponseError) -> bool:
    """Whether a later call may succeed: if not, Redis refuses this command, or does not have it."""
    return str(error).startswith(_NOT_NOW) or isinstance(error, UNREACHABLE)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the client's exceptions into ours; an unknown one passes, since a retry would hide a fault."""
    try:
        yield
    except exceptions.OutOfMemoryError as error:
        raise StoreFullError(str(error)) from error
    except exceptions.ResponseError as error:
        if isinstance(error, exceptions.MovedError):
            said = "this Redis is a node of a Cluster; write redis+cluster:// in RANKER_REDIS_URL"
            raise StoreUnavailableError(said) from error
        if not may_pass(error):
            if isinstance(error, exceptions.NoPermissionError) and "script" not in str(error):  # may be granted
                raise StoreForbidsError(f"Redis forbids {error}; {RULES}") from error
            raise  # of a script a part may have run: it must not run again
        raise StoreUnavailableError(f"Redis does not take writes: {error}") from error
    except UNREACHABLE as error:
        raise StoreUnavailableError(f"Redis is not available: {described(error)}") from error
