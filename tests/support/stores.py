"""The stores that a suite runs on: Redis for every change, what is as Redis to the code besides in make test-long."""

import pytest

from tests.support.redis_forms import FORMS

STORES = (
    "redis_url",
    *(pytest.param(name, marks=pytest.mark.long) for name in ("valkey_url", "redis_cluster_url", *FORMS)),
)
"""Fixtures that give an address, and forms of Redis."""


def store_url(request: pytest.FixtureRequest, default: str = "redis_url") -> str:
    """The address of the store, empty, that the parameter of a fixture names."""
    name = getattr(request, "param", default)
    return str(request.getfixturevalue("redis_form")(name)[1] if name in FORMS else request.getfixturevalue(name))
