"""What goes wrong between a command and Redis: one sentence with the fix within 10 s, exit code 1, never a secret."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner

from deploy.local.ports import HOST, free_port, is_listening
from deploy.local.redis import RedisServer, Tls, redis_binary
from deploy.local.redis_sentinel import RedisBySentinel
from ranker.commands import main
from ranker.connect.redis import connect
from ranker.connect.redis_settings import RedisSettings
from ranker.connect.tls import TlsFiles
from ranker.operate import check_redis
from tests.support.certificates import LONG_AGO, Authority, Certificate
from tests.support.checking import now_ms, of
from tests.support.redis_forms import Certificates

SECRET = "hush-λ/@:%20"
WITHIN_S = 10.0


@dataclass
class Servers:
    """`plain` wants no password, `locked` SECRET of its default user and of `few`, who may only GET ranker:active."""

    directory: Path
    ours: Certificates
    plain: RedisServer
    locked: RedisServer
    tls: RedisServer
    expired: RedisServer
    elsewhere: RedisServer
    sentinel: RedisBySentinel
    silent: int

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def tls_of(self, certificate: Certificate) -> TlsFiles:
        return TlsFiles(str(self.ours.authority.ca), str(certificate.cert), str(certificate.key))


@pytest.fixture(scope="module")
def servers(services_directory: Path) -> Iterator[Servers]:
    directory = services_directory / "redis-errors"
    ours = Certificates(directory / "certificates")
    authority = ours.authority
    odd = []
    for certificate in (authority.expired(), authority.elsewhere()):
        tls = Tls(authority.ca, certificate.cert, certificate.key)
        odd.append(Answering(directory / certificate.cert.stem, redis_binary(), tls=tls))
    with socket.create_server((HOST, 0)) as silent:
        made = Servers(
            directory,
            ours,
            RedisServer(directory / "plain", redis_binary()),
            RedisServer(directory / "locked", redis_binary(), ("--requirepass", SECRET), login=("default", SECRET)),
            RedisServer(directory / "tls", redis_binary(), tls=ours.tls),
            odd[0],
            odd[1],
            RedisBySentinel(directory / "by-sentinel", sentinels=1),
            silent.getsockname()[1],
        )
        running: list[Any] = [made.plain, made.locked, made.tls, *odd, made.sentinel]
        for server in running:
            server.start()
        with made.locked.client() as client:
            client.execute_command("ACL", "SETUSER", "few", "on", f">{SECRET}", "~ranker:active", "+get")
        yield made
        for server in running:
            server.stop()


class Answering(RedisServer):
    """One that no client of ours may talk to."""

    def answers(self) -> bool:
        return is_listening(self.port)


Case = Callable[[Servers], RedisSettings]
CASES: dict[str, tuple[Case, str]] = {
    "no password": (lambda s: RedisSettings(s.locked.url), "wants a password | set RANKER_REDIS_PASSWORD_FILE"),
    "wrong password": (
        lambda s: RedisSettings(s.locked.url, password_file=s.file("wrong", f"{SECRET}x\n")),
        "refuses the user or the password (invalid username-password pair or user is disabled.) | see that RANKER_REDIS_PASSWORD_FILE",
    ),
    "wrong password in the address": (
        lambda s: RedisSettings(s.locked.url.replace("://", "://default:hush-x@")), "refuses the user or the password",
    ),
    "unknown user": (
        lambda s: RedisSettings(s.locked.url, "nobody", s.file("right", SECRET)), "the user in RANKER_REDIS_USERNAME",
    ),
    "a password that nobody wants": (
        lambda s: RedisSettings(s.plain.url, password_file=s.file("right", SECRET)), "remove RANKER_REDIS_PASSWORD_FILE",
    ),
    "a right is missing": (
        lambda s: RedisSettings(s.locked.url, "few", s.file("right", f"{SECRET}\n")),
        "(EVAL ranker:active: this user has no permissions to run the 'eval' command)",
    ),
    "unknown CA": (
        lambda s: RedisSettings(s.tls.url), "is from an unknown CA | set RANKER_REDIS_CA_FILE to the file with that CA's own",
    ),
    "another CA": (
        lambda s: RedisSettings(s.tls.url, ca_file=str(Authority(s.directory / "other").ca)), "is from an unknown CA",
    ),
    "expired certificate": (lambda s: RedisSettings(s.expired.url, **vars(s.ours.files)), "has expired | renew it there (or this machine's clock is wrong)"),
    "another host": (
        lambda s: RedisSettings(s.elsewhere.url, **vars(s.ours.files)), "is not for this name (IP address mismatch, certificate is not valid for '127.0.0.1') | use a name that it has",
    ),
    "no certificate of ours": (
        lambda s: RedisSettings(s.tls.url, ca_file=s.ours.files.ca_file), "RANKER_REDIS_CERT_FILE",
    ),
    "our certificate has expired": (
        lambda s: RedisSettings(s.tls.url, **vars(s.tls_of(s.ours.authority.issue("old", not_after=LONG_AGO)))), "RANKER_REDIS_CERT_FILE",
    ),
    "plain client, TLS port": (
        lambda s: RedisSettings(s.tls.url.replace("rediss", "redis")), "if it is up and this is its TLS port, write rediss for redis in RANKER_REDIS_URL",
    ),
    "TLS client, plain port": (
        lambda s: RedisSettings(s.plain.url.replace("redis", "rediss"), **vars(s.ours.files)), "does not answer in TLS in time | see that it is up and this its TLS port",
    ),
    "a database that it does not have": (
        lambda s: RedisSettings(f"redis://{HOST}:{s.plain.port}/99"), "has no database of this number (DB index is out of range) | write one that it has, such as /0, in RANKER_REDIS_URL",
    ),
    "nobody there": (lambda s: RedisSettings(f"redis://{HOST}:{free_port()}"), "| start it, or set RANKER_REDIS_URL to where it is"),
    "silence": (lambda s: RedisSettings(f"redis://{HOST}:{s.silent}"), "does not answer in time | see that it is up"),
    "no such primary": (
        lambda s: RedisSettings(s.sentinel.url.replace("/main", "/other")), "knows no primary 'other' | write the name that they have",
    ),
    "Sentinels away": (
        lambda s: RedisSettings(f"redis+sentinel://{HOST}:{free_port()},{HOST}:{free_port()}/main"), "no Sentinel gives the primary: ",
    ),
    "Sentinels silent": (lambda s: RedisSettings(f"redis+sentinel://{HOST}:{s.silent}/main"), "does not answer in time"),
    "no Sentinel": (
        lambda s: RedisSettings(f"redis+sentinel://{HOST}:{s.plain.port}/main"), "is no Sentinel",
    ),
    "a Sentinel that wants no password": (
        lambda s: replace(RedisSettings(s.sentinel.url), sentinel_password_file=s.file("right", SECRET)), "remove RANKER_REDIS_SENTINEL_PASSWORD_FILE",
    ),
    "a Sentinel itself": (
        lambda s: RedisSettings(f"redis://{HOST}:{s.sentinel.sentinels[0].port}"), "is a Sentinel | write redis+sentinel://HOST:PORT/NAME",
    ),
    "no Cluster": (
        lambda s: RedisSettings(s.plain.url.replace("redis", "redis+cluster")), "write redis:// for redis+cluster://",
    ),
    "a Cluster that wants a password": (
        lambda s: RedisSettings(s.locked.url.replace("redis", "redis+cluster")), "wants a password | set RANKER_REDIS_PASSWORD_FILE",
    ),
    "a Cluster of an unknown CA": (
        lambda s: RedisSettings(s.tls.url.replace("rediss", "rediss+cluster")), "is from an unknown CA",
    ),
    "no socket file": (lambda s: RedisSettings(f"unix://{s.directory}/no.sock"), "No such file or directory"),
}  # fmt: skip


def environ(at: RedisSettings) -> dict[str, str]:
    nothing = dict.fromkeys(("RANKER_CONFIG", "RANKER_READ_TOKENS"), "")
    return {**at.shown(), "RANKER_REDIS_URL": at.url, "RANKER_KAFKA_BOOTSTRAP": f"{HOST}:{free_port()}", **nothing}


@pytest.mark.parametrize("case", CASES)
def test_check_names_cause_and_fix(servers: Servers, case: str) -> None:
    make, said = CASES[case]

    async def faults() -> list[str]:
        client = connect(make(servers))
        try:
            return of("fault", await check_redis.findings(client, "url", "abc", now_ms))
        finally:
            await client.aclose()

    began = time.monotonic()
    found = asyncio.run(faults())
    assert time.monotonic() - began < WITHIN_S
    assert any(said in one for one in found), found
    assert not any("hush" in one or "\n" in one for one in found)
    assert all(one.count(" | ") == 1 and not one.endswith("| ") for one in found)


ENDING = (["check"], ["generations"], ["top", "--once"])


@pytest.mark.parametrize("words", ENDING, ids=" ".join)
@pytest.mark.parametrize(
    "case",
    ["wrong password", "unknown CA", "plain client, TLS port", "no such primary", "a database that it does not have"],
)
def test_commands_end_with_the_sentence(servers: Servers, case: str, words: list[str]) -> None:
    make, said = CASES[case]
    began = time.monotonic()
    with mock.patch.dict(os.environ, environ(make(servers))):
        result = CliRunner().invoke(main, words)
    assert time.monotonic() - began < WITHIN_S
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert said.partition(" | ")[0] in result.output
    assert "hush" not in result.output
