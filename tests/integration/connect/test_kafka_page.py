"""docs/ways-in/kafka.md: each of its blocks does what the page says; the French page has the same ones."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from tests.support.producers_command import read
from tests.support.refusing_kafka import RefusingKafka
from tests.support.secured_kafka import PASSWORD, token

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "ways-in" / "kafka.md"
EXAMPLE = ROOT / "docs" / "producers" / "example.py"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
USER = "ranker"


@pytest.fixture
def files(refusing: RefusingKafka, tmp_path: Path) -> Path:
    """The page's files, below a directory that stands for the root."""
    etc, run = tmp_path / "etc" / "ranker", tmp_path / "run" / "ranker"
    etc.mkdir(parents=True)
    run.mkdir(parents=True)
    (etc / "kafka.password").write_text(PASSWORD + "\n")
    (run / "kafka.token").write_text(token(USER, 600.0))
    (etc / "ca.pem").write_bytes(refusing.authority.ca.read_bytes())
    own = refusing.authority.client(USER)
    (etc / "client.pem").write_bytes(own.cert.read_bytes())
    (etc / "client.key").write_bytes(own.key.read_bytes())
    (etc / "p12.password").write_text("keystore")
    key, cert = load_pem_private_key(own.key.read_bytes(), None), x509.load_pem_x509_certificate(own.cert.read_bytes())
    (etc / "client.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"ranker",
            key,  # type: ignore[arg-type]  # of a kind that keystores hold
            cert,
            None,
            BestAvailableEncryption(b"keystore"),
        )
    )
    return tmp_path


def test_each_block(refusing: RefusingKafka, redis_url: str, files: Path, tmp_path: Path) -> None:
    """In the order of the page, the first of which makes the topics."""
    here = {
        "kafka.example.org:9093": refusing.at("SASL_SSL"),
        "kafka.example.org:9094": refusing.at("SSL"),
        "/etc/ranker": str(files / "etc" / "ranker"),
        "/run/ranker": str(files / "run" / "ranker"),
    }
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {"PATH": path, "PYTHONPATH": str(ROOT), "RANKER_REDIS_URL": redis_url, "LANG": "C.UTF-8"}

    def ran(kind: str, block: str, **more: str) -> tuple[int, str]:
        for name, ours in here.items():
            block = block.replace(name, ours)
        command = ["sh", "-eu", "-c", block] if kind == "sh" else [sys.executable, "-W", "error", "-c", block]
        done = subprocess.run(command, cwd=ROOT, env=environ | more, text=True, capture_output=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    blocks = BLOCK.findall(PAGE.read_text())
    password, certificate, by_token, python, keystore, rights = blocks
    code, said = ran(*password)
    assert "page-views" in said
    assert "fault" not in said.partition("RANKER_")[0]
    assert code == 0, said
    for block in (certificate, by_token):
        code, said = ran(*block)
        assert code == 0, said
    code, said = ran(*python)
    assert code == 0, said
    (files / "etc" / "ranker" / "client.pem").unlink()
    (files / "etc" / "ranker" / "client.key").unlink()
    code, said = ran(*keystore)
    assert code == 0, said
    code, said = ran(*certificate)
    assert code == 0, f"what openssl made of the keystore does not fit: {said}"
    code, said = ran(*rights)
    assert code == 0, said
    assert "--allow-principal User:ranker-consume --operation Read --topic page-views" in said
    assert "--allow-principal User:CN=collector,O=Example --operation Write --topic page-views" in said
    # The Python client's own example logs in as the variables say.
    variables = dict(re.findall(r"^export (\w+)=(\S+)$", password[1], re.MULTILINE))
    for name, ours in here.items():
        variables = {key: value.replace(name, ours) for key, value in variables.items()}
    code, said = ran("python", EXAMPLE.read_text(), **variables)
    assert code == 0, said
    records = asyncio.run(read(refusing.bootstrap, "page-views", 6))
    assert len(records) == 6
    assert all(PASSWORD.encode() not in record.value for record in records)
