"""docs/ways-in/redis.md, block by block, on a Redis by Sentinels with TLS, and its table of messages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.local.kafka_jars import CHECKOUT
from deploy.local.ports import HOST, free_port
from ranker.connect import redis_errors, redis_sentinels, redis_settings, tls
from ranker.connect.redis import connect
from ranker.connect.redis_settings import RedisSettings
from tests.support.redis_at import redis_at

PAGE = (CHECKOUT / "docs" / "ways-in" / "redis.md").read_text()
WHERE, USERS, RENEW = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SENTINELS = "sentinel-1:26379,sentinel-2:26379,sentinel-3:26379"


async def test_each_block(redis_form: Callable[[str], tuple[Any, str]], tmp_path: Path) -> None:
    """The users are made at every server, `ranker check` is content, and a renewed password is taken."""
    servers, url = redis_form("sentinel_tls")
    files = redis_at(url).tls
    etc, programs = tmp_path / "etc", tmp_path / "bin"
    etc.mkdir()
    programs.mkdir()
    assert files.ca_file
    assert files.cert_file
    assert files.key_file
    for name, source in (("ca.pem", files.ca_file), ("client.pem", files.cert_file), ("client.key", files.key_file)):
        shutil.copy(source, etc / f"redis-{name}")
    everywhere = programs / "redis-cli"  # at every server, with its options
    options = f"--tls --cacert {files.ca_file} --cert {files.cert_file} --key {files.key_file}"
    ports = " ".join(str(server.port) for server in servers.servers)
    everywhere.write_text(
        f'#!/bin/sh\ninput=$(cat)\nfor port in {ports}; do echo "$input" | {shutil.which("redis-cli")} {options} -p $port; done\n'
    )
    everywhere.chmod(0o755)
    path = os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"]))

    def run(block: str) -> str:
        block = block.replace("/etc/ranker", str(etc)).replace("/opt/ranker", str(CHECKOUT))
        block = block.replace(SENTINELS, ",".join(f"{HOST}:{one.port}" for one in servers.sentinels))
        env = {"PATH": path, "RANKER_KAFKA_BOOTSTRAP": f"{HOST}:{free_port()}"}
        ended = subprocess.run(["sh", "-c", block], env=env, capture_output=True, text=True)
        return ended.stdout + ended.stderr

    assert run(USERS).split() == ["OK"] * 8
    checked = run(WHERE)
    assert "RANKER_REDIS_USERNAME" in checked
    assert "ok     Redis: Redis" in checked
    assert "fault  Redis" not in checked
    before = (etc / "redis-reader.password").read_text()
    assert run(RENEW).split() == ["OK"] * 2
    assert (etc / "redis-reader.password").read_text() != before
    client = connect(RedisSettings(url, "reader", str(etc / "redis-reader.password"), **vars(files)))
    assert await client.get("ranker:active") is None
    await client.aclose()


def test_the_messages_are_those_of_the_software() -> None:
    """Each one that the table has."""
    ours = "".join(
        Path(module.__file__ or "").read_text() for module in (redis_errors, redis_sentinels, redis_settings, tls)
    )
    ours += (CHECKOUT / "ranker" / "store" / "errors.py").read_text()
    table = PAGE.partition("## What is refused")[2]
    messages = [
        text for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for text in re.findall(r"`([^`]+)`", row)
    ]
    assert len(messages) == 9
    for message in messages:
        assert re.sub(r" COMMAND KEY| …", "", message) in ours, message
