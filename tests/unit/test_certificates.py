"""The certificates of the tests are what their names say, by the library that clients verify them with."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.support.certificates import LONG_AGO, Authority, Certificate


def greet(ca: Path, server: Certificate, client: Certificate | None = None) -> None:
    """Shake hands as a client of 127.0.0.1 that trusts `ca`, with a server that wants a certificate of it."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.load_cert_chain(server.cert, server.key)
    calling = ssl.create_default_context(cafile=str(ca))
    if client is not None:
        calling.load_cert_chain(client.both)
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with theirs, serving.wrap_socket(theirs, server_side=True) as secure:
                secure.sendall(b"*")
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, calling.wrap_socket(ours, server_hostname="127.0.0.1") as secure:
            assert secure.recv(1) == b"*"
    finally:
        thread.join()


def test_a_server_and_a_client_of_one_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    greet(authority.ca, authority.server(), authority.client())


def test_what_is_refused(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    client = authority.client()
    with pytest.raises(ssl.SSLCertVerificationError, match="has expired"):
        greet(authority.ca, authority.expired(), client)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        greet(authority.ca, authority.elsewhere(), client)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        greet(other.ca, authority.server(), client)
    for refused in (None, other.client(), authority.issue("ended", not_after=LONG_AGO)):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            greet(authority.ca, authority.server(), refused)
