"""Passwords and certificates that are renewed in their files: the next connection has them, without a restart."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from deploy.local.redis import RedisServer, Tls, redis_binary
from ranker.connect.redis import connect
from ranker.connect.redis_settings import RedisSettings
from ranker.connect.tls import TlsFiles
from ranker.store.errors import StoreUnavailableError, translated
from tests.support.certificates import Authority, Certificate

RULES = ("~*", "+@all")


def replaced(file: Path, by: Path) -> None:
    """As certificate managers do it: whole, at once."""
    part = file.with_suffix(".part")
    shutil.copy(by, part)
    part.replace(file)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In the loop of production."""
    uvloop.run(work())


def test_a_password_that_is_renewed(tmp_path: Path) -> None:
    """While file and server differ, the error says so; connections that stand go on."""
    server = RedisServer(tmp_path / "redis", redis_binary())
    server.start()
    password = tmp_path / "password"
    password.write_text("first\n")

    async def work() -> None:
        at = RedisSettings(server.url, "engine", str(password))
        client = connect(at)
        with server.client() as plain:
            plain.execute_command("ACL", "SETUSER", "engine", "on", ">first", *RULES)
            await client.set("counted", 1)
            plain.execute_command("ACL", "SETUSER", "engine", "resetpass", ">second")
            assert await client.incr("counted") == 2
            plain.client_kill_filter(user="engine")
            with pytest.raises(StoreUnavailableError, match=r"RANKER_REDIS_PASSWORD_FILE"), translated():
                await client.incr("counted")
            password.write_text("")
            with (
                pytest.raises(StoreUnavailableError, match=r"RANKER_REDIS_PASSWORD_FILE: the file has nothing in it"),
                translated(),
            ):
                await client.incr("counted")
            password.write_text("second")
            assert await client.incr("counted") == 3
        await client.aclose()

    try:
        run(work)
    finally:
        server.stop()


def test_certificates_that_are_renewed(tmp_path: Path) -> None:
    """Of server, CA and client, one after the other and under the same names; half of it never harms."""
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    both = tmp_path / "both.pem"
    both.write_bytes(old.ca.read_bytes() + new.ca.read_bytes())
    server_files, client_files = old.server(), old.client()
    files = [tmp_path / name for name in ("ca.pem", "client.pem", "client.key")]
    for file, source in zip(files, (old.ca, client_files.cert, client_files.key), strict=True):
        replaced(file, source)
    server = RedisServer(tmp_path / "redis", redis_binary(), tls=Tls(both, server_files.cert, server_files.key))
    server.start()

    def serve(certificate: Certificate, ca: Path) -> None:
        """The server takes new files and ends every connection."""
        server.tls = Tls(ca, certificate.cert, certificate.key)
        server.stop()
        server.start()

    async def work() -> None:
        client = connect(RedisSettings(server.url, **vars(TlsFiles(*map(str, files)))))
        await client.set("counted", 1)
        serve(new.server(), both)
        with pytest.raises(StoreUnavailableError, match="is from an unknown CA"), translated():
            await client.incr("counted")
        replaced(files[0], new.ca)
        assert await client.incr("counted") == 2
        renewed = new.client()
        serve(new.server(), new.ca)  # our certificate is of the old CA
        with pytest.raises(StoreUnavailableError, match="RANKER_REDIS_CERT_FILE"), translated():
            await client.incr("counted")
        replaced(files[1], renewed.cert)  # its key comes a moment later
        with pytest.raises(StoreUnavailableError, match="RANKER_REDIS_CERT_FILE"), translated():
            await client.incr("counted")
        replaced(files[2], renewed.key)
        assert await client.incr("counted") == 3

        await client.aclose()

    try:
        run(work)
    finally:
        server.stop()
