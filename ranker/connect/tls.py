"""TLS as a client: PEM files of the CA, of our certificate and its key, taken anew when they change on disk."""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ranker.connect import secret_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of one side of TLS: whose certificates are trusted (None: the system's CAs), and which is ours."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = field(default=None, repr=False)  # somebody may have written the key itself there
    key_password_file: str | None = field(default=None, repr=False)

    def named(self) -> dict[str, str]:
        """The files that are set, by the last part of their variable's name."""
        paths = (self.ca_file, self.cert_file, self.key_file, self.key_password_file)
        return {name: path for name, path in zip(_NAMES, paths, strict=True) if path}

    def faults(self, prefix: str) -> list[str]:
        """What is wrong with them, as sentences that name the variable and the fix."""
        named = self.named()
        found = [
            f"{prefix}_{one}: needs {prefix}_{other} beside it; set it, or remove {prefix}_{one}"
            for one, other in (("CERT_FILE", "KEY_FILE"), ("KEY_FILE", "CERT_FILE"), ("KEY_PASSWORD_FILE", "KEY_FILE"))
            if one in named and other not in named
        ]
        if self.key_password_file:
            wrong = secret_file.secret_fault(f"{prefix}_KEY_PASSWORD_FILE", self.key_password_file)
            found += [wrong] if wrong else []
        for name in ("CA_FILE", "CERT_FILE", "KEY_FILE"):
            if name in named:
                try:
                    secret_file.read(named[name])
                except (OSError, ValueError) as error:
                    why = getattr(error, "strerror", None) or str(error)
                    found.append(
                        # Somebody may have written the key itself there.
                        f"{prefix}_{name}: {'the file' if name == 'KEY_FILE' else named[name]} cannot be read ({why}); "
                        "name a PEM file that this user may read"
                    )
        if found:
            return found
        try:
            _fill(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self)
        except TlsFileError as error:
            found.append(f"{prefix}_{error}")
        return found

    def context(self) -> ssl.SSLContext:
        """A client's context, which checks certificate and host name. Raises TlsFileError.

        Files that change on disk are taken for the next connection; until they fit, the last ones that did.
        """
        context = _RenewedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.read(self)
        return context

    def as_they_are(self) -> ssl.SSLContext:
        """A context of the files as they are now, for clients that make one for each request. Raises TlsFileError."""
        return _filled(self)


_NAMES = ("CA_FILE", "CERT_FILE", "KEY_FILE", "KEY_PASSWORD_FILE")


class TlsFileError(Exception):
    """A file does not fit; the message begins with the last part of its variable's name."""


class _RenewedContext(ssl.SSLContext):
    """Hands out connections of a context that is made anew when its files have changed."""

    _files: TlsFiles
    _stamp: tuple[object, ...]
    _current: ssl.SSLContext

    def read(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = _stamp(files)
        self._current = _filled(files)

    def wrap_bio(self, *args: object, **options: object) -> ssl.SSLObject:
        """What asyncio and uvloop call for each connection."""
        stamp = _stamp(self._files)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._current = _filled(self._files)
            except (TlsFileError, OSError, ValueError) as error:
                # Half written, or a certificate whose key comes next.
                log.warning("renewed files of TLS do not fit yet, the ones before are used on: %s", error)
        return self._current.wrap_bio(*args, **options)  # type: ignore[arg-type]  # as it was called


def _stamp(files: TlsFiles) -> tuple[object, ...]:
    found: list[object] = []
    for path in files.named().values():
        try:
            state = Path(path).stat()
        except OSError:
            found.append(None)
        else:
            found.append((state.st_ino, state.st_mtime_ns, state.st_size))
    return tuple(found)


def _filled(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _fill(context, files)
    return context


def _fill(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.ca_file:
        try:
            context.load_verify_locations(files.ca_file)
        except ssl.SSLError:
            raise TlsFileError(f"CA_FILE: {files.ca_file} has no certificates in PEM; name the CA's own file") from None
    else:
        context.load_default_certs()
    if not (files.cert_file and files.key_file):
        return
    password_file = files.key_password_file
    try:
        context.load_cert_chain(
            files.cert_file, files.key_file, password=lambda: secret_file.secret(password_file) if password_file else ""
        )
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password of more than 1,024 bytes
        raise TlsFileError(_key_fault(error, files)) from None


def _key_fault(error: ssl.SSLError | ValueError, files: TlsFiles) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"KEY_FILE: {files.key_file} is not the key of {files.cert_file}; name the two of one pair"
    if files.key_password_file:
        return f"KEY_FILE: {files.key_file} cannot be read with the password in {files.key_password_file}"
    return (
        f"KEY_FILE: {files.cert_file} and {files.key_file} are no certificate and key in PEM, or the key has a "
        "password; name PEM files, and the password's in _KEY_PASSWORD_FILE"
    )


_EXPIRED, _NOT_YET, _OTHER_NAME = 10, 9, (62, 64)
_UNKNOWN_CA = (2, 18, 19, 20, 21)
"""OpenSSL's codes of why a certificate is not accepted."""
_OF_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "ACCESS_DENIED")
"""In OpenSSL's reasons for alerts by which servers, Java's among them, refuse a certificate, or the lack of one."""


def handshake_fault(error: ssl.SSLError, server: str, prefix: str, *, has_certificate: bool) -> str | None:
    """Why we do not accept `server`, such as "Kafka at HOST:PORT", or it refuses us, as a sentence with its fix.

    None if it is neither: then the server may have no TLS. `has_certificate`: we have one of our own.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {server} {_unaccepted(error, prefix)}"
    why = error.reason or ""
    if "ALERT" not in why:
        return None
    said = why.lower().partition("alert_")[2].replace("_", " ")
    if not any(one in why for one in _OF_CERTIFICATE):
        return f"{server} refuses TLS with us ({said}); its log has more"
    if not has_certificate:
        return f"{server} requires a client's certificate; set {prefix}_CERT_FILE and {prefix}_KEY_FILE"
    return (
        f"{server} refuses the certificate in {prefix}_CERT_FILE ({said}): it has expired, or its CA is none that the "
        "server trusts; renew it, or give the server its CA"
    )


def _unaccepted(error: ssl.SSLCertVerificationError, prefix: str) -> str:
    why = error.verify_message.rstrip(".")
    if error.verify_code == _EXPIRED:
        return "has expired; renew it there (or this machine's clock is wrong)"
    if error.verify_code == _NOT_YET:
        return "is not valid yet; see that this machine's clock is right"
    if error.verify_code in _OTHER_NAME:
        return (
            f"is not for this name ({why}); use a name that it has, or have it made for this one, too (servers may "
            "name each other: see docs/ways-in)"
        )
    if error.verify_code in _UNKNOWN_CA:
        return f"is from an unknown CA; set {prefix}_CA_FILE to the file with that CA's own"
    return f"is not accepted ({why}); renew it there"
