"""A schema registry by its HTTP API, that of Confluent, which Karapace and Apicurio (/apis/ccompat/v7) have, too."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from ranker.connect import secret_file
from ranker.connect.server_settings import ServerSettings
from ranker.connect.tls import TlsFileError, handshake_fault
from ranker.service.endpoints import shown

PREFIX = "RANKER_REGISTRY"
_TIMEOUT_S = 5.0
_WHOLE_S = 20.0
"""For a schema with all that it refers to."""
_MOST_BYTES = 4 << 20
_MOST_REFERENCES = 100
_NEVER_GIVEN = 2**31 - 1
"""Registries count from 1."""
_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA = 40401, 40402, 40403
"""Codes in replies with status 404. One without a code is not from a registry."""


class RegistryAwayError(Exception):
    """No reply, or none of a registry: the same may succeed later. The message has place, reason and fix."""


@dataclass(frozen=True)
class RegistrySettings(ServerSettings):
    """Where the registry is, and how it lets us in. Secrets are in files, read for every request."""

    PREFIX: ClassVar[str] = PREFIX

    url: str | None = None
    username: str | None = None
    password_file: str | None = None

    def faults(self) -> Iterator[str]:
        """What is wrong, as sentences that name the variable and the fix."""
        given = self.shown()
        if self.url is None:
            yield from (f"{name}: has no effect without {PREFIX}_URL; set that, or remove this" for name in given)
            return
        if fault := _url_fault(self.url):
            yield f"{PREFIX}_URL: {fault}"
            return
        if not self.url.startswith("https"):
            for name in self.tls.named():
                yield f"{PREFIX}_{name}: has no effect with http://; write https:// in {PREFIX}_URL, or remove this"
        else:
            yield from self.tls.faults(PREFIX)
        for name, value, other, beside in (
            ("USERNAME", self.username, "PASSWORD_FILE", self.password_file),
            ("PASSWORD_FILE", self.password_file, "USERNAME", self.username),
        ):
            if value and not beside:
                yield f"{PREFIX}_{name}: needs {PREFIX}_{other} beside it; set it, or remove {PREFIX}_{name}"
        if self.password_file and (wrong := secret_file.secret_fault(f"{PREFIX}_PASSWORD_FILE", self.password_file)):
            yield wrong


def _url_fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0  # `.port` raises ValueError if it is no port
    except ValueError:  # its text repeats what may be a password
        return f"{shown(url)!r} cannot be read; write http://HOST:PORT or https://HOST:PORT"
    if parts.scheme not in ("http", "https") or not named:
        return f"{shown(url)!r} is not http://HOST:PORT or https://HOST:PORT, with a path if the registry has one"
    if "@" in url or parts.query or parts.fragment:
        return (
            f"{shown(url)!r} has more than an address; write the user into {PREFIX}_USERNAME, and the password into "
            f"the file that {PREFIX}_PASSWORD_FILE names"
        )
    return ""


class Registry:
    """Reads schemas by their number. Each request has a connection of its own: schemas are few, and kept."""

    def __init__(self, settings: RegistrySettings) -> None:
        assert settings.url is not None
        self._settings = settings
        self._url = settings.url.rstrip("/")
        parts = urlsplit(settings.url)
        self._place = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    async def schema(self, number: int) -> tuple[str, ...]:
        """The text of a schema, behind those that it refers to; () if the registry has none of this number.

        Raises RegistryAwayError.
        """
        try:
            async with asyncio.timeout(_WHOLE_S):
                return await asyncio.to_thread(self._schema, number)
        except TimeoutError:
            raise self._away(f"has not replied within {_WHOLE_S:.0f} s", "see whether it is overloaded") from None

    async def reach(self) -> None:
        """Sends a request whose reply is not needed. Raises RegistryAwayError.

        That for a schema which no registry has: it needs no more permissions than those for schemas.
        """
        await self.schema(_NEVER_GIVEN)

    def _schema(self, number: int) -> tuple[str, ...]:
        texts: dict[tuple[str, int], str] = {}
        found = self._get(f"/schemas/ids/{number}")
        if found is None or not self._gather(found, texts, ()):
            return ()
        return (*texts.values(), self._text(found))

    def _gather(
        self, found: Mapping[str, Any], texts: dict[tuple[str, int], str], outer: tuple[tuple[str, int], ...]
    ) -> bool:
        """Puts all that a schema refers to into `texts`, in the order in which it can be read. False if one is gone.

        `outer` are those that led to it.
        """
        for reference in found.get("references") or ():
            try:
                subject, version = str(reference["subject"]), int(reference["version"])
            except (KeyError, TypeError, ValueError) as error:
                raise self._away(f"names a reference that is none ({reference!r})", "see its log") from error
            if (subject, version) in texts:
                continue
            if (subject, version) in outer:
                raise self._away(
                    f"has schemas that refer to each other in a circle (subject {subject!r}, version {version})",
                    "register them again without it",
                )
            if len(texts) + len(outer) >= _MOST_REFERENCES:
                raise self._away(f"has a schema with more than {_MOST_REFERENCES} references", "use one with fewer")
            inner = self._get(f"/subjects/{quote(subject, safe='')}/versions/{version}")
            if inner is None or not self._gather(inner, texts, (*outer, (subject, version))):
                return False
            texts[subject, version] = self._text(inner)
        return True

    def _text(self, found: Mapping[str, Any]) -> str:
        text = found.get("schema")
        if not isinstance(text, str):
            raise self._away("replies without a schema", f"see that {PREFIX}_URL is a schema registry's")
        return text

    def _get(self, path: str) -> dict[str, Any] | None:
        """The object at a path; None if the registry says that there is none."""
        request = urllib.request.Request(self._url + path, headers=self._headers())  # noqa: S310  # http(s) alone
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if self._url.startswith("https"):
            handlers.append(urllib.request.HTTPSHandler(context=self._context()))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT_S) as reply:
                data = reply.read(_MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                self._check_refusal(error)
            return None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            raise self._unreachable(getattr(error, "reason", error)) from error
        found = _object(data) if len(data) <= _MOST_BYTES else None
        if found is None:
            raise self._away("replies something else than a schema", f"see that {PREFIX}_URL is a schema registry's")
        return found

    def _context(self) -> ssl.SSLContext:
        try:
            return self._settings.tls.as_they_are()
        except (OSError, ValueError, TlsFileError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise self._away(
                f"cannot be connected to: a file of {PREFIX}_… cannot be used ({why})", "mend it"
            ) from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json", "User-Agent": "ranker"}
        if self._settings.username and self._settings.password_file:
            if fault := secret_file.secret_fault(f"{PREFIX}_PASSWORD_FILE", self._settings.password_file):
                raise RegistryAwayError(fault)
            login = f"{self._settings.username}:{secret_file.secret(self._settings.password_file)}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        return headers

    def _check_refusal(self, error: urllib.error.HTTPError) -> None:
        """Returns if the registry says that there is none. Raises RegistryAwayError."""
        try:
            data = error.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as broken:
            raise self._unreachable(broken) from broken
        code = (_object(data) or {}).get("error_code")
        if error.code == 404 and code in (_NO_SUBJECT, _NO_VERSION, _NO_SCHEMA):
            return
        if error.code in (401, 403):
            who = f"user {self._settings.username}" if self._settings.username else "a client without a user"
            raise self._away(
                f"refuses {who} (status {error.code})", f"correct {PREFIX}_USERNAME and {PREFIX}_PASSWORD_FILE"
            )
        if error.code == 404 or 300 <= error.code < 400:
            fix = f"see that {PREFIX}_URL is a schema registry's, with its path if it has one"
            raise self._away(f"does not reply as a schema registry does (status {error.code})", fix)
        raise self._away(f"replies with status {error.code}", "see its log")

    def _unreachable(self, reason: object) -> RegistryAwayError:
        if isinstance(reason, ssl.SSLError):
            server, has_certificate = f"the schema registry at {self._place}", self._settings.cert_file is not None
            if said := handshake_fault(reason, server, PREFIX, has_certificate=has_certificate):
                return RegistryAwayError(said)
            why = str(reason.reason or reason).lower().replace("_", " ")
            return self._away(
                f"does not talk TLS with us ({why})", f"see whether {PREFIX}_URL is to begin with http://"
            )
        what = str(getattr(reason, "strerror", None) or reason or type(reason).__name__)
        return self._away(f"does not reply ({what})", f"start it, or correct {PREFIX}_URL")

    def _away(self, what: str, fix: str) -> RegistryAwayError:
        return RegistryAwayError(f"the schema registry at {self._place} {what}; {fix}")


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the password along."""

    def redirect_request(self, *_: Any) -> None:
        return None
