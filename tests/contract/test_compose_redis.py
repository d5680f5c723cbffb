"""Redis as deploy/compose.yaml starts it, and its users' passwords."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis
from ruamel.yaml import YAML

from deploy.local import children, waiting
from deploy.local.ports import HOST, free_port, is_listening
from tests.support.deploy_tools import DEPLOY, FindTool, run

UNTIL_S = 30.0


def test_redis_starts_as_in_compose_with_a_user_for_each_role(find_tool: FindTool, tmp_path: Path) -> None:
    """Its shell is run: rights by role and password, none without; AOF, and nothing is evicted."""
    find_tool("redis-server", "redis-server")
    port, secrets = free_port(), tmp_path / "secrets"
    run(DEPLOY / "secrets.sh", secrets)
    shell, flags, script = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]["redis"]["command"]
    for there, here in {
        "/tmp/users.acl": tmp_path / "users.acl",
        "/run/secrets": secrets,
        "/usr/local/share/redis-acl": DEPLOY / "redis-acl",
        "$$": "$",
    }.items():
        assert there in script
        script = script.replace(there, str(here))
    script = f"{script.rstrip()} --port {port} --bind {HOST} --dir {tmp_path}\n"
    child = children.start("redis", [shell, flags, script], tmp_path / "redis.log")
    try:
        waiting.until("Redis", lambda: is_listening(port), UNTIL_S)
        with redis.Redis(HOST, port) as nobody:
            assert nobody.ping()
            for refused in (nobody.info, lambda: nobody.get("ranker:active")):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    refused()
        role = {
            name: redis.Redis(HOST, port, username=name, password=(secrets / f"redis-{name}").read_text())
            for name in ("admin", "consumer", "reader", "collector", "operator")
        }
        role["consumer"].set("ranker:active", "one")
        assert role["reader"].get("ranker:active") == b"one"
        with pytest.raises(redis.exceptions.NoPermissionError):
            role["reader"].set("ranker:active", "two")
        role["collector"].set("ranker:collect:salt:2026-11-30", "salt")
        with pytest.raises(redis.exceptions.NoPermissionError):
            role["consumer"].get("ranker:collect:salt:2026-11-30")
        info = role["operator"].info()
        assert (info["maxmemory_policy"], info["aof_enabled"]) == ("noeviction", 1)
        assert info["maxmemory"] > 0
        assert role["admin"].config_set("maxmemory", "3gb")
        assert role["admin"].acl_setuser("reader", passwords=["+another"])
        assert role["admin"].delete("ranker:collect:salt:2026-11-30") == 1
        assert role["admin"].client_list()
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(HOST, port, username="reader", password="").ping()
        for client in role.values():
            client.close()
    finally:
        child.stop()


def test_passwords_are_made_once_and_seen_by_nobody_else(tmp_path: Path) -> None:
    """A second run changes none; the folder is closed to others; and git keeps away from it."""
    folder = tmp_path / "secrets"
    run(DEPLOY / "secrets.sh", folder)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    run(DEPLOY / "secrets.sh", folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == first
    assert folder.stat().st_mode & 0o777 == 0o700
    passwords = [text for name, text in first.items() if name not in {"write-keys", "read-tokens"}]
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in passwords)
    assert len(set(passwords)) == len(passwords) == 6
    ignored = (DEPLOY.parent / ".gitignore").read_text().splitlines()
    assert "/deploy/secrets/" in ignored
