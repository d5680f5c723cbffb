"""Slots of a Redis Cluster that move from node to node as `redis-cli --cluster reshard` moves them, key by key."""

from __future__ import annotations

import time
from typing import Any

from redis.crc import key_slot

from deploy.local.ports import HOST
from deploy.local.redis import RedisServer
from deploy.local.redis_cluster import RedisCluster

PAUSE_S = 0.1
"""Between keys: so long each half of a shard is somewhere else. Nothing waits for it to be over."""


def owner(cluster: RedisCluster, key: str) -> RedisServer:
    """The node that has the key's slot."""
    slot = key_slot(key.encode())
    with cluster.nodes[0].client() as client:
        for begin, end, primary, *_ in client.execute_command("CLUSTER", "SLOTS"):
            if begin <= slot <= end:
                return next(node for node in cluster.nodes if node.port == primary[1])
    raise LookupError(f"nobody has slot {slot}")


def move_slot(cluster: RedisCluster, key: str, source: RedisServer, target: RedisServer) -> int:
    """Moves the key's slot while clients use it; returns how many keys that were."""
    slot = key_slot(key.encode())
    moved = 0
    with source.client() as at_source, target.client() as at_target:
        source_id, target_id = (client.execute_command("CLUSTER", "MYID") for client in (at_source, at_target))
        at_target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        at_source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while names := _some(at_source, slot):
            at_source.execute_command("MIGRATE", HOST, target.port, "", 0, 5_000, "KEYS", *names)
            moved += len(names)
            time.sleep(PAUSE_S)
        for client in (at_target, at_source):
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
    for node in cluster.nodes:
        if node not in (source, target):
            with node.client() as client:
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
    return moved


def _some(client: Any, slot: int) -> list[bytes]:
    return list(client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 2))
