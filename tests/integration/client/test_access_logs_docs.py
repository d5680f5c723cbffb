"""docs/ways-in/access-logs.md, block by block: its commands on such logs, and its log_format in a real nginx."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.kafka_jars import CHECKOUT
from deploy.local.launcher import program
from deploy.local.ports import HOST, free_port
from producers.replay import formats, sources
from producers.replay.rows import ReplayRow
from tests.conftest import standing
from tests.support.followed_log import caught_up, line, write
from tests.support.nginx import Nginx
from tests.support.producers_command import read
from tests.support.topics import new_topic

PAGE = CHECKOUT / "docs" / "ways-in" / "access-logs.md"
PAST, PIPED, FOLLOWED, NGINX, HOSTS = re.findall(r"^```\w+\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PARTITIONS = 2


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    """A broker of this test's own, since the commands of the page write to page-views."""
    (tmp_path / "kafka").mkdir()
    broker = EmbeddedKafka(tmp_path / "kafka")
    with standing(broker):
        asyncio.run(new_topic(broker.bootstrap, PARTITIONS, "page-views"))
        yield broker.bootstrap


@pytest.fixture
def shell(bootstrap: str, tmp_path: Path) -> Callable[[str], subprocess.Popen[str]]:
    """Starts a command as it is written, in a directory of its own; `docker` there prints a log."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "docker").write_text(f"#!/bin/sh\ncat <<'END'\n{line('rticles/piped')}END\n")
    (tools / "docker").chmod(0o755)
    path = os.pathsep.join([str(tools), str(Path(program("producers")).parent), os.environ["PATH"]])

    def start(command: str) -> subprocess.Popen[str]:
        environ = {**os.environ, "PATH": path, "RANKER_KAFKA_BOOTSTRAP": bootstrap}
        return subprocess.Popen(
            ["sh", "-c", f"exec {command}" if "|" not in command else command],
            cwd=tmp_path, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start


def articles(bootstrap: str, count: int) -> list[str]:
    records = asyncio.run(read(bootstrap, "page-views", count, PARTITIONS))
    return sorted(orjson.loads(record.value)["article_id"] for record in records)


def test_the_commands(bootstrap: str, shell: Callable[[str], subprocess.Popen[str]], tmp_path: Path) -> None:
    """Rotated files, a pipe, one host of several, and a log that is followed."""
    for name, article in (("access.log.2", "oldest"), ("access.log.1", "older"), ("access.log", "newest")):
        write(tmp_path / name, [f"rticles/{article}"])
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress((tmp_path / "access.log.2").read_bytes()))
    for host in ("www.example.org:443", "shop.example.org:443"):
        with (tmp_path / "shop.log").open("a") as shop:
            shop.write(f"{host} {line(host.partition('.')[0])}")
    for command in (PAST, PIPED, HOSTS):
        process = shell(command)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, (out, err)
    assert articles(bootstrap, 5) == ["/articles/piped", "/awww", "newest", "older", "oldest"]
    following = shell(FOLLOWED)
    try:
        log, state = tmp_path / "access.log", tmp_path / "position.json"
        asyncio.run(caught_up(state, "page-views", log))
        write(log, ["fter"])
        asyncio.run(caught_up(state, "page-views", log))
    finally:
        following.send_signal(signal.SIGTERM)
        out, err = following.communicate(timeout=20)
    assert following.returncode == 0, err
    assert articles(bootstrap, 7)[:3] == ["/after", "/articles/newest", "/articles/piped"]


def test_nginx_writes_what_is_read(tmp_path: Path, find_tool: Callable[[str, str], Path]) -> None:
    """The format of the page, found by itself; quotes and bytes of a reader's browser do no harm."""
    port, log = free_port(), tmp_path / "access.json"
    block = NGINX.replace("/var/log/nginx/access.json", str(log))
    servers = f"{block} server {{ listen {HOST}:{port}; location / {{ return 200 ok; }} }}"
    nginx = Nginx(find_tool("nginx", "nginx-light"), tmp_path, servers, port)
    nginx.text = nginx.text.replace("access_log off;", "")
    with standing(nginx):
        for target, agent in (("/caf%C3%A9?a=1", 'a "quoted" \\ one'), ("/b", "caf\u00e9")):
            connection = http.client.HTTPConnection(HOST, port, timeout=10)
            connection.request(
                "GET", target, headers={"User-Agent": agent.encode("latin-1"), "Host": "www.example.org"}
            )
            assert connection.getresponse().read() == b"ok"
            connection.close()
    lines = log.read_text("utf-8", "surrogateescape").splitlines()
    source = sources.source(str(log))
    assert source.found == formats.Found("nginx-json", len(lines), len(lines))
    rows = [row for _, row in formats.read_rows(source.kind, source.numbered())]
    found = [(row.target, row.agent, row.host, row.client, row.status) for row in rows if isinstance(row, ReplayRow)]
    assert found == [
        ("/caf%C3%A9?a=1", 'a "quoted" \\ one', "www.example.org", HOST, 200),
        ("/b", "caf\udce9", "www.example.org", HOST, 200),
    ]
