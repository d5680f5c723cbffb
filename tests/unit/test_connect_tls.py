"""PEM files of a client's TLS: each fault once, and files that are taken anew when they change."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ranker.connect.tls import TlsFileError, TlsFiles, handshake_fault
from tests.support.certificates import Authority

PASSWORD = b"hush-hush"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "certificates")


def only(files: TlsFiles) -> str:
    """The one fault of these files."""
    (found,) = files.faults("RANKER_X")
    return found


def test_files_that_fit(authority: Authority) -> None:
    """None at all (the system's CAs), a CA alone, a pair, and a pair in one file."""
    client = authority.client()
    for files in (
        TlsFiles(),
        TlsFiles(str(authority.ca)),
        TlsFiles(str(authority.ca), str(client.cert), str(client.key)),
        TlsFiles(None, str(client.both), str(client.both)),
    ):
        assert files.faults("RANKER_X") == []
        assert files.context().verify_mode is ssl.CERT_REQUIRED
        assert files.context().check_hostname


def test_a_key_with_a_password(authority: Authority, tmp_path: Path) -> None:
    """The right one fits; a wrong one, one that no key can have, and none are each a fault, which does not hold it."""
    client, key, password = authority.client(), tmp_path / "locked.key", tmp_path / "password"
    loaded = serialization.load_pem_private_key(client.key.read_bytes(), None)
    lock = serialization.BestAvailableEncryption(PASSWORD)
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
    files = TlsFiles(None, str(client.cert), str(key), str(password))
    password.write_bytes(PASSWORD + b"\n")
    assert files.faults("RANKER_X") == []
    for wrong in ("wrong-hush", "hush" * 300):
        password.write_text(wrong)
        assert only(files) == f"RANKER_X_KEY_FILE: {key} cannot be read with the password in {password}"
    password.write_text("hush\nhush")
    assert "RANKER_X_KEY_PASSWORD_FILE: the file has several lines" in only(files)
    assert "or the key has a password" in only(TlsFiles(None, str(client.cert), str(key)))


def test_faults(authority: Authority, tmp_path: Path) -> None:
    """Each one names its variable, the file and the fix."""
    client, other = authority.client(), authority.client("other")
    cert, key, nowhere = str(client.cert), str(client.key), str(tmp_path / "nowhere.pem")
    keystore = tmp_path / "client.jks"
    keystore.write_bytes(b"\xfe\xed\xfe\xed\0\0\0\2")
    for files, said in (
        (TlsFiles(nowhere), f"CA_FILE: {nowhere} cannot be read (No such file or directory); name a PEM file"),
        (TlsFiles(str(keystore)), f"CA_FILE: {keystore} has no certificates in PEM; name the CA's own file"),
        (TlsFiles(key), f"CA_FILE: {key} has no certificates in PEM"),
        (TlsFiles(None, cert), "CERT_FILE: needs RANKER_X_KEY_FILE beside it; set it, or remove RANKER_X_CERT_FILE"),
        (TlsFiles(None, None, key), "KEY_FILE: needs RANKER_X_CERT_FILE beside it"),
        (TlsFiles(None, cert, str(other.key)), f"KEY_FILE: {other.key} is not the key of {cert}; name the two of one"),
        (TlsFiles(None, str(keystore), key), f"KEY_FILE: {keystore} and {key} are no certificate and key in PEM"),
        (TlsFiles(None, str(tmp_path), key), f"CERT_FILE: {tmp_path} cannot be read (Is a directory)"),
    ):
        assert only(files).startswith(f"RANKER_X_{said}")
    assert len(TlsFiles(nowhere, nowhere, nowhere).faults("RANKER_X")) == 3
    password_alone = TlsFiles(None, None, None, nowhere).faults("RANKER_X")
    assert [fault.partition(":")[0] for fault in password_alone] == ["RANKER_X_KEY_PASSWORD_FILE"] * 2


def test_a_key_in_place_of_its_path_is_not_repeated(authority: Authority) -> None:
    """Somebody may write the PEM itself into the variable."""
    client = authority.client()
    files = TlsFiles(None, str(client.cert), client.key.read_text())
    assert only(files).startswith("RANKER_X_KEY_FILE: the file cannot be read (")
    assert "PRIVATE KEY" not in f"{only(files)}{files!r}"


def test_a_context_takes_files_that_change(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For the next connection; while they do not fit together, the last ones that did are used."""
    issued = authority.client()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(issued.cert.read_bytes())
    key.write_bytes(issued.key.read_bytes())
    context = TlsFiles(None, str(cert), str(key)).context()

    def inner() -> int:
        connection = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        return id(connection.context)

    first = inner()
    assert inner() == first
    renewed = authority.client("renewed")
    _replace(cert, renewed.cert.read_bytes())
    assert [inner(), inner()] == [first, first], "a certificate whose key is still the old one is used"
    (warned,) = caplog.messages
    assert "the ones before are used on: KEY_FILE: " in warned
    _replace(key, renewed.key.read_bytes())
    second = inner()
    assert second != first
    cert.unlink()
    assert inner() == second


def _replace(file: Path, data: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(data)
    part.replace(file)


def test_a_context_of_files_that_do_not_fit(authority: Authority) -> None:
    with pytest.raises(TlsFileError, match="KEY_FILE"):
        TlsFiles(None, str(authority.client().cert), str(authority.client("other").key)).context()


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        (10, "certificate has expired", "has expired; renew it there (or this machine's clock is wrong)"),
        (9, "certificate is not yet valid", "is not valid yet; see that this machine's clock is right"),
        (62, "Hostname mismatch.", "is not for this name (Hostname mismatch); use a name that it has"),
        (64, "IP address mismatch.", "is not for this name (IP address mismatch)"),
        (18, "self-signed certificate", "is from an unknown CA; set RANKER_X_CA_FILE to the file with that CA's own"),
        (20, "unable to get local issuer certificate", "is from an unknown CA"),
        (23, "certificate revoked", "is not accepted (certificate revoked); renew it there"),
    ],
)
def test_why_a_servers_certificate_is_not_accepted(code: int, message: str, said: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, message
    found = handshake_fault(error, "X at h:1", "RANKER_X", has_certificate=False)
    assert found is not None
    assert found.startswith(f"the certificate of X at h:1 {said}")


@pytest.mark.parametrize(
    ("reason", "has_certificate", "said"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", False, "requires a client's certificate; set RANKER_X_CERT_FILE and RANKER_X_KEY_FILE"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", False, "requires a client's certificate"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", False, "requires a client's certificate"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", True, "refuses the certificate in RANKER_X_CERT_FILE (certificate expired): it has expired, or"),
        ("TLSV1_ALERT_UNKNOWN_CA", True, "refuses the certificate in RANKER_X_CERT_FILE (unknown ca)"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False, "refuses TLS with us (protocol version); its log has more"),
        ("WRONG_VERSION_NUMBER", True, None),
    ],
)  # fmt: skip
def test_why_a_server_refuses_us(reason: str, has_certificate: bool, said: str | None) -> None:
    error = ssl.SSLError()
    error.reason = reason
    found = handshake_fault(error, "X at h:1", "RANKER_X", has_certificate=has_certificate)
    assert (found is None) if said is None else str(found).startswith(f"X at h:1 {said}")
