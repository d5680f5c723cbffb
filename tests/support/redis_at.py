"""How the programs under test reach a Redis of the tests: by its address, with the files that this one needs."""

from __future__ import annotations

from ranker.connect.redis_settings import RedisSettings

SECURED: dict[str, RedisSettings] = {}
"""By the address of a Redis, what else its clients need."""


def redis_at(url: str) -> RedisSettings:
    """The settings of the programs under test for the Redis at `url`."""
    return SECURED.get(url) or RedisSettings(url)


def redis_environ(url: str) -> dict[str, str]:
    """The same as variables of the environment."""
    return redis_at(url).shown() | {"RANKER_REDIS_URL": url}
