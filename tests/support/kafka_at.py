"""How the programs under test reach a broker of the tests: openly, or as a run of `make test-secured` has it."""

from __future__ import annotations

from ranker.connect.kafka import KafkaSettings

SECURED: dict[str, KafkaSettings] = {}
"""By the open address of a broker, the settings that programs under test have instead; arrangements use the open one."""


def kafka_at(bootstrap: str) -> KafkaSettings:
    """The settings of the programs under test for the broker at `bootstrap`."""
    return SECURED.get(bootstrap) or KafkaSettings(bootstrap)


def kafka_environ(bootstrap: str) -> dict[str, str]:
    """The same as variables of the environment."""
    return kafka_at(bootstrap).shown()
