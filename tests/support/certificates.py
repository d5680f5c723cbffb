"""Certificates for servers and clients of tests: an authority of their own, and what it signs, as PEM files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

NAMES = ("localhost", "127.0.0.1")
"""What servers of the tests are addressed by."""
ORGANIZATION, UNIT = "tests", "certificates"
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Certificate:
    """`cert` holds the certificate, `key` its private key in PKCS#8, `both` the key and then the certificate."""

    cert: Path
    key: Path
    both: Path


class Authority:
    """A certificate authority. `ca` is the PEM file by which clients and servers know it."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._authority = trustme.CA(organization_name=ORGANIZATION)
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca = directory / f"{name}.pem"
        _write(self.ca, self._authority.cert_pem.bytes())

    def server(self, name: str = "server") -> Certificate:
        """One for 127.0.0.1 and localhost."""
        return self.issue(name, NAMES)

    def client(self, name: str = "client") -> Certificate:
        """One for a client; its subject is CN=`name`,OU=certificates,O=tests."""
        return self.issue(name)

    def expired(self, name: str = "expired") -> Certificate:
        """One for 127.0.0.1 and localhost that ended in 2001."""
        return self.issue(name, NAMES, not_after=LONG_AGO)

    def elsewhere(self, name: str = "elsewhere") -> Certificate:
        """One for a host of another name."""
        return self.issue(name, ("elsewhere.test",))

    def issue(self, name: str, names: tuple[str, ...] = (), *, not_after: datetime | None = None) -> Certificate:
        """Write NAME.pem, NAME.key and NAME-both.pem, in place of files of that name; each is whole at any time.

        Without `names`, the host name of the certificate is its own, so that no server passes for it.
        """
        made = self._authority.issue_cert(
            *(names or (f"{name}.client.test",)),
            common_name=name,
            organization_name=ORGANIZATION,
            organization_unit_name=UNIT,
            not_after=not_after,
        )
        files = Certificate(*(self._directory / f"{name}{end}" for end in (".pem", ".key", "-both.pem")))
        # Apache Kafka reads no other form of a key.
        key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        cert = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        for file, data in ((files.cert, cert), (files.key, key), (files.both, key + cert)):
            _write(file, data)
        return files


def _write(file: Path, data: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(data)
    part.chmod(0o600)
    part.replace(file)
