"""The stores that a suite runs on: Redis for every change, what is as Redis to the code besides in make test-long."""

import pytest

STORES = (
    "redis_url",
    pytest.param("valkey_url", marks=pytest.mark.long),
    pytest.param("redis_cluster_url", marks=pytest.mark.long),
)
"""Fixtures that give an address."""
