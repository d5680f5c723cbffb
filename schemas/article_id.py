"""The normal form of article ids: an address is one article, however it is spelled. No other place knows the form.

Equal are all spellings that RFC 3986 (6.2.2) calls equivalent, and those that Unicode does (NFC).
docs/from-elsewhere.md has the form in words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_BYTES = 512
MAX_ADDRESS = 8_192
"""Characters of an address that is read: servers take no longer ones."""
ALLOWED = f"1 to {MAX_BYTES} bytes of UTF-8, without spaces, control characters and other invisible ones"

# Fixed, not by the Unicode version of this Python: every process must decide alike. Controls, spaces, private use,
# non-characters and what shows nothing (bidirectional controls, fillers). Absent are the joiners U+200C and U+200D,
# which Persian and Indic words need, and variation selectors, which emoji, Mongolian and some ideographs do.
_UNFIT = (
    "\0-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200b\u200e\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff\U000f0000-\U0010ffff"
)
UNFIT = tuple((ord(first), ord(last or first)) for first, last in re.findall("(.)(?:-(.))?", _UNFIT, re.DOTALL))
"""Ranges of characters, first and last, in order."""
_unfit = re.compile(f"[{_UNFIT}]")
_PLAIN = re.compile(r"(?:/(?!\.)[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
"""A path that is its own normal form, whatever the rule for trailing slashes."""
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2}|[\ud800-\udfff])+|(?:%(?![0-9A-Fa-f]{2}))+")
_HALF = re.compile(r"[\ud800-\udfff]")
_IN_QUERY = "/?#%&=+"
"""Reserved characters of a query: encoded they mean something else."""
_TOO_LONG = f"the id is longer than {MAX_BYTES} bytes"
_MAX_DECOMPOSED = 3 * MAX_BYTES // 2
"""Characters of the longest id in NFD. NFC takes time by the square of a run of marks: 57 ms for 8,000."""
_MAX_PATH = 4_096
"""Characters of the longest path, encoded, dot segments and all: of an id's 512 bytes hardly a third."""
_KEPT = 0xDC00
"""Added to a character that stays encoded, while the rest is decoded: it becomes half a surrogate pair, as invalid
bytes do."""


class NoArticleError(ValueError):
    """An address without an article's id. The message is a sentence on why."""


@dataclass(frozen=True, slots=True)
class IdRule:
    """How a site's addresses become ids: `[sites.NAME.ids]` in ranker.toml.

    `source` is `path`, `query:NAME` (the parameter of that name) or a regular expression, whose group 1 is the id. It
    is searched in the path, and then in path and query.
    """

    source: str = "path"
    trailing_slash: str = "strip"

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> IdRule:
        """From a site's `ids` table with its defaults."""
        return cls(table["from"], table["trailing_slash"])


DEFAULT = IdRule()


def source_fault(source: str) -> str:
    """Why this cannot be an `IdRule`'s source; "" if it can."""
    if source == "path" or (source.startswith("query:") and len(source) > len("query:")):
        return ""
    try:
        groups = re.compile(source).groups
    except re.error as error:
        return f"{source!r} is no regular expression ({error}); write path, query:NAME or one with a group"
    return "" if groups else f"{source!r} has no group; write path, query:NAME or a regular expression with a group"


def is_article_id(text: str) -> bool:
    """Whether the contract (schemas/page-view.schema.json) allows this id: ALLOWED says what it has to be."""
    if not text or len(text) > MAX_BYTES:
        return False
    if text.isascii():
        return text.isprintable() and " " not in text
    return not _unfit.search(text) and len(text.encode()) <= MAX_BYTES


def is_address(text: str) -> bool:
    """Whether an id is given as an address: it begins with a slash or is a URL."""
    return text.startswith("/") or _ORIGIN.match(text) is not None


def normalized(given: str, rule: IdRule = DEFAULT) -> str:
    """The normal form of an id that somebody gives. One that is no address is returned as it is.

    An address that the rule finds no article in stands for its path. Raises NoArticleError if the id is too long.
    """
    if not is_address(given):
        return given
    if rule.source != "path":
        try:
            return from_address(given, rule)
        except NoArticleError:
            pass
        rule = IdRule("path", rule.trailing_slash)
    return from_address(given, rule)


def from_address(address: str, rule: IdRule = DEFAULT) -> str:
    """The id of the article at a URL or at a path with or without a query. Raises NoArticleError if there is none.

    What it returns stands for itself in `normalized`. Half surrogate pairs are bytes that are not UTF-8, as Python's
    `surrogateescape` gives them.
    """
    if rule.source == "path" and len(address) <= MAX_BYTES and _PLAIN.fullmatch(address):
        return address
    if len(address) > MAX_ADDRESS:
        raise NoArticleError(f"the address is longer than {MAX_ADDRESS:,} characters")
    return (_cached if len(address) <= 2 * MAX_BYTES else _from_address)(address, rule)


def with_query(address: str, rule: IdRule = DEFAULT) -> str:
    """The normal form of an address whose query and fragment count too. Raises NoArticleError if its path is too long.

    Idempotent. Only the path is read by `rule`; the fragment stays as it is.
    """
    address, _, fragment = address.partition("#")
    path, _, query = _split(address)
    query = _written(_decoded(query, _IN_QUERY))
    return _path(path, rule) + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")


def _from_address(address: str, rule: IdRule) -> str:
    found = _found(address, rule)
    if not is_article_id(found):
        raise NoArticleError(_TOO_LONG if found else "the id in it is empty")
    if rule.source != "path" and is_address(found) and (again := _again(found, rule)) != found:
        # Ids are given to the rule too: this one would be another article there.
        raise NoArticleError(f"the rule finds {again!r} in its own id {found!r}; write one that fits addresses alone")
    return found


def _found(address: str, rule: IdRule) -> str:
    path, _, query = _split(address)
    if rule.source == "path":
        return _path(path, rule)
    if rule.source.startswith("query:"):
        return _parameter(query, rule)
    return _matched(path, query, rule)


def _again(article_id: str, rule: IdRule) -> str:
    try:
        return _found(article_id, rule)
    except NoArticleError:
        return article_id


_cached = lru_cache(maxsize=4096)(_from_address)


def _split(address: str) -> tuple[str, str, str]:
    """(path, "?", query) without origin and fragment."""
    address = address.strip(" \t\r\n")
    if origin := _ORIGIN.match(address):
        address = address[origin.end() :]
        if not address.startswith("/"):
            address = "/" + address
    elif not address.startswith("/"):
        raise NoArticleError("it is no address: it begins neither with / nor with a scheme such as https://")
    parts = address.partition("#")[0].partition("?")
    if len(parts[0]) > _MAX_PATH:
        raise NoArticleError(_TOO_LONG)
    return parts


def _path(path: str, rule: IdRule) -> str:
    whole = _resolved(_decoded(path, "/?#%"))
    if rule.trailing_slash == "strip":
        whole = whole.rstrip("/") or "/"
    return _written(_bounded(whole))


def _parameter(query: str, rule: IdRule) -> str:
    wanted = rule.source.removeprefix("query:")
    for pair in query.split("&"):
        name, _, value = pair.replace("+", " ").partition("=")
        if _decoded(name, "") == wanted and value:
            return _given(_written(_bounded(_decoded(value, "?#%"))), rule)
    raise NoArticleError(f"its query has no {wanted}")


def _matched(path: str, query: str, rule: IdRule) -> str:
    # Before trailing slashes go, since patterns may name them.
    whole = _written(_resolved(_decoded(path, "/?#%")))
    pattern = _compiled(rule.source)
    found = pattern.search(whole)
    if found is None and query:
        found = pattern.search(f"{whole}?{_written(_decoded(query, _IN_QUERY))}")
        # One meant for paths, such as ^/blog/([^/]+)$, must not take a query for a part of it.
        if found and found[1] and "?" in found[1] and not _names_query(rule.source):
            found = None
    if found is None or not found[1]:
        raise NoArticleError("the pattern finds no id in it")
    return _given(found[1], rule)


def _names_query(pattern: str) -> bool:
    return r"\?" in pattern or "[?" in pattern


def _bounded(text: str) -> str:
    """Text that may be an id, before the long work of writing it. Raises NoArticleError if it is too long."""
    if len(text) > MAX_BYTES:
        raise NoArticleError(_TOO_LONG)
    return text


def _given(found: str, rule: IdRule) -> str:
    """An id out of a query or a pattern: in the form of paths if it is an address. Without their trailing slash."""
    if origin := _ORIGIN.match(found):
        found = f"/{found[origin.end() :]}"
    if found.startswith("/"):
        return _path(found, rule)
    return found.rstrip("/") if rule.trailing_slash == "strip" else found


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _decoded(text: str, reserved: str) -> str:
    """Text in NFC, whose encoded characters are decoded; the `reserved` ones and invalid bytes become half pairs."""
    if "%" in text or not text.isascii():
        text = _ENCODED.sub(lambda found: (_letter if len(found[0]) <= 12 else _of_bytes)(found[0], reserved), text)
    if text.isascii():
        return text
    if len(text) > _MAX_DECOMPOSED:
        raise NoArticleError(_TOO_LONG)
    return unicodedata.normalize("NFC", text)


def _of_bytes(found: str, reserved: str) -> str:
    digits = found.replace("%", "")
    if not digits.isascii():
        digits = _HALF.sub(lambda half: _half_bytes(half[0]).hex(), digits)
    text = bytes.fromhex(digits).decode("utf-8", "surrogateescape") or found  # those that encode no character
    return text.translate({ord(char): _KEPT + ord(char) for char in reserved})


_letter = lru_cache(maxsize=4096)(_of_bytes)
"""For what stands alone among letters that are not encoded."""


def _half_bytes(half: str) -> bytes:
    code = ord(half)
    return bytes([code - _KEPT]) if 0xDC80 <= code <= 0xDCFF else half.encode("utf-8", "surrogatepass")


def _resolved(path: str) -> str:
    """Without dot segments (RFC 3986, 5.2.4), and with one slash at its beginning."""
    if "/." in path:
        kept: list[str] = []
        *segments, last = path.split("/")[1:]
        for segment in segments:
            if segment == "..":
                del kept[-1:]
            elif segment != ".":
                kept.append(segment)
        if last == "..":
            del kept[-1:]
        path = "/" + "/".join([*kept, "" if last in {".", ".."} else last])
    return "/" + path.lstrip("/")


def _written(text: str) -> str:
    """Text with everything encoded that no id may contain, in upper-case hexadecimal digits."""
    if not _unfit.search(text):
        return text
    written: list[str] = []
    encoded = False
    for char in text:
        # A mark behind an encoded character would join with its last digit.
        encoded = bool(_unfit.match(char)) or (encoded and unicodedata.combining(char) > 0)
        written.append(_percent(char) if encoded else char)
    return "".join(written)


def _percent(char: str) -> str:
    code = ord(char)
    if 0xDC00 <= code < 0xDD00:
        return f"%{code - _KEPT:02X}"
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
