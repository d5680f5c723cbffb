"""Consumer groups, as Kafka describes them to operators' commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupAuthorizationFailedError

from ranker.core.generation import Generation
from ranker.log.errors import refused, translated


def group_of(generation: Generation) -> str:
    """The consumer group of a generation: its members share the partitions, whatever command they run."""
    return f"ranker-{generation.id}"


@dataclass(frozen=True, slots=True)
class Member:
    """One process in a group. `client_id` is empty if the broker does not report it."""

    id: str
    client_id: str
    host: str
    partitions: frozenset[int]


@dataclass(frozen=True, slots=True)
class Group:
    """`state` is Kafka's word: Stable, Empty, Dead, PreparingRebalance or CompletingRebalance.

    `committed` has the next offset of each partition as the members have committed it, for lag tools only.
    """

    state: str
    members: tuple[Member, ...]
    committed: Mapping[int, int]


async def members(client: Any, group: str, topic: str) -> tuple[str, tuple[Member, ...]]:
    """State and members of a group, with the partitions of `topic` that each has. LogRefusedError if refused."""
    with translated():
        try:
            responses = await client.describe_consumer_groups([group])
        except GroupAuthorizationFailedError as error:  # it names no group
            raise GroupAuthorizationFailedError(group) from error
    state, found = "Dead", []
    for code, _, state_now, _, _, described, *_ in [one for response in responses for one in response.groups]:
        if code:
            raise refused(f"the members of group {group} cannot be read", code, "", f"Read on group {group}")
        state = state_now
        found += [Member(one[0], one[1], one[2], _assigned(one[4], topic)) for one in described]
    return state, tuple(found)


async def committed(client: Any, group: str, topic: str) -> Mapping[int, int]:
    """Partition to the next offset that the group has committed."""
    with translated():
        offsets = await client.list_consumer_group_offsets(group)
    return {place.partition: at.offset for place, at in offsets.items() if place.topic == topic and at.offset >= 0}


def _assigned(assignment: bytes, topic: str) -> frozenset[int]:
    if not assignment:
        return frozenset()  # while the group shares out its partitions
    places = ConsumerProtocolMemberAssignment.decode(assignment).partitions()
    return frozenset(place.partition for place in places if place.topic == topic)
