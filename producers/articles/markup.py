"""A feed or sitemap as UTF-8, mended so far as what is meant is certain. Each mend is a note.

Bytes and not a str, of which one rare character makes each take four bytes. A reader that mends by leaving out, as
recovering parsers do, would change titles and addresses in silence.
"""

from __future__ import annotations

import codecs
import html
import html.entities
import re
from collections.abc import Iterable

# Possessive (*+, ++): places to try again from take memory for each blank, or time by the square of their number.
_DECLARED = re.compile(
    rb"""\s*+<\?xml\b[^>]{0,500}?\bencoding\s*+=\s*+["']?\s*+([A-Za-z0-9._:-]{1,64}+)\s*+["'?]""", re.IGNORECASE
)
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf|[\s\0]++)*+(?:<\?xml\s[^>]{0,1000}\?>)?", re.IGNORECASE)
_BLANKED = bytes(10 if byte == 10 else 32 for byte in range(256))
_AFTER_END = codecs.BOM_UTF8 + b"\0 \t\r\n"
_PIECE = 1 << 20
"""Bytes decoded at once."""
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ASCII = "".join(map(chr, range(32, 127)))
# What these names mean on the web (encoding.spec.whatwg.org): more than their standards contain.
_WIDER = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
}
_OTHER_NAMES = {
    "ks_c_5601-1987": "cp949",
    "x-cp1250": "cp1250",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "cn-big5": "big5hkscs",
    "utf8mb4": "utf-8",
    "x-gbk": "gb18030",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-euc-jp": "euc_jp",
    "windows-874": "cp874",
    "x-mac-roman": "mac_roman",
}
_MANY_BYTES = frozenset({"gb18030", "cp949", "cp932", "big5hkscs", "big5", "cp950", "euc_jp", "johab"})
_NO_CHARSETS = frozenset({"unicode-escape", "raw-unicode-escape", "unicode_escape", "raw_unicode_escape", "idna"})
"""Of Python's own, with ASCII in them."""
_CERTAIN_BYTES = 32
"""Bytes of characters beyond ASCII that are UTF-8 by chance with less than one in a million, in those encodings."""
_OF_UTF_8 = re.compile(rb"[\xc3-\xf4][\x80-\xbf]")

_NO_CHARACTER = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_WITHOUT_CONTROLS = bytes(32 if byte < 32 and byte not in b"\t\n\r" else byte for byte in range(256))
_REFERENCE = re.compile(
    rb"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)"  # as they are; to the end if they have none
    rb"|(?:&#(?:[0-9]{1,7}|[xX][0-9A-Fa-f]{1,6});)+|&(?!(?:amp|lt|gt|quot|apos);)(?:[A-Za-z][A-Za-z0-9]{0,31};)?",
    re.DOTALL,
)
_NUMBER = re.compile(rb"&#([xX]?)([0-9A-Fa-f]+);")


class UnreadableError(Exception):
    """A document that cannot be read whole, or is of no kind that can be imported; the text says which."""


class Notes:
    """What was mended: each fault once, with its first line and how often."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, int]] = {}

    def add(self, fault: str, text: bytes = b"", at: int = -1) -> None:
        """A fault of the whole document, or one at a place of its text."""
        line, count = self._found.get(fault, (0, 0))
        if at < 0:
            self._found[fault] = (0, 1)
        else:
            self._found[fault] = (line or text.count(b"\n", 0, at) + 1, count + 1)

    def sentences(self) -> list[str]:
        return [
            (f"line {line}: " if line else "") + fault + (f" ({count:,} times)" if count > 1 else "")
            for fault, (line, count) in self._found.items()
        ]


def text_of(document: bytes, notes: Notes) -> bytes:
    """A document that XML parsers take, with each line and each element in its place. Raises UnreadableError."""
    text = _utf_8(document, notes)
    if (beginning := _BEGINNING.match(text)) and beginning[0]:
        # Blank lines and a declaration of what is UTF-8 by now; spaces keep the places of all that follows.
        text = beginning[0].translate(_BLANKED) + text[beginning.end() :]
    text = text.rstrip(_AFTER_END)
    if found := _NO_CHARACTER.search(text):
        notes.add("a control character that XML does not allow was read as a space", text, found.start())
        text = text.translate(_WITHOUT_CONTROLS).replace(b"\xef\xbf\xbe", b" ").replace(b"\xef\xbf\xbf", b" ")
    return _references(text, notes) if b"&" in text else text


def _utf_8(document: bytes, notes: Notes) -> bytes:
    for bom, encoding in _BOMS:
        if document.startswith(bom):
            return _in([encoding], document.removeprefix(bom), encoding.upper())
    if encoding := _by_zeros(document[:4]):
        return _in([encoding], document, encoding.upper())
    found = _DECLARED.match(document.lstrip(b"\xef\xbb\xbf \t\r\n"))
    declared = found[1].decode() if found else ""
    if not declared:
        return _in(["utf-8"], document, "")
    encodings = _encodings(declared)
    if document.startswith(codecs.BOM_UTF8):
        # Scripts that were saved with a mark put it before what they write in another encoding.
        mixed = encodings[:1] and encodings[0] not in _MANY_BYTES and _OF_UTF_8.search(document, 3)
        if encodings in ([], ["utf-8"]) or mixed or _is_utf_8(document):
            return _in(["utf-8"], document, "UTF-8, whose mark it begins with")
        notes.add(f"it begins with the mark of UTF-8, and was read as {declared}, as which it is written")
        return _in(encodings, document.lstrip(codecs.BOM_UTF8), declared)
    if not encodings:
        if declared.lower().startswith(("utf-16", "utf-32", "ucs-", "iso-10646")):
            notes.add(f"it declares {declared} and was read as UTF-8, as which it is written")
            return _in(["utf-8"], document, "")
        raise UnreadableError(f"it has an unknown encoding, {declared}; save it as UTF-8")
    if encodings != ["utf-8"] and not document.isascii() and _is_utf_8(document):
        beyond = len(document.translate(None, bytes(range(128))))
        if encodings[0] not in _MANY_BYTES or beyond >= _CERTAIN_BYTES:
            notes.add(f"it declares {declared} and was read as UTF-8, as which it is written")
            return document
        notes.add(f"it was read as {declared}, which it declares; it could be UTF-8 too")
    return _in(encodings, document, declared)


def _by_zeros(start: bytes) -> str:
    """The encoding of a document without a mark, whose first character is ASCII; "" if that is one byte."""
    zeros = bytes(byte == 0 for byte in start)
    return {
        b"\0\1\1\1": "utf-32-le",
        b"\1\1\1\0": "utf-32-be",
        b"\0\1\0\1": "utf-16-le",
        b"\1\0\1\0": "utf-16-be",
    }.get(zeros, "")


def _encodings(declared: str) -> list[str]:
    """Python's names of the encoding, the widest first; none if it is unknown or does not contain ASCII."""
    name = _OTHER_NAMES.get(declared.lower(), declared)
    try:
        name = codecs.lookup(name).name
        if name in _NO_CHARSETS or _ASCII.encode().decode(name) != _ASCII:
            return []
    except (LookupError, ValueError):
        return []
    return [_WIDER[name], name] if name in _WIDER else [name]


def _is_utf_8(document: bytes) -> bool:
    try:
        _from(document, "utf-8")
    except UnicodeError:
        return False
    return True


def _in(encodings: Iterable[str], document: bytes, declared: str) -> bytes:
    """The document as UTF-8, by the first of these encodings that it has; raises UnreadableError."""
    fault: UnicodeError | None = None
    for encoding in encodings:
        try:
            return _from(document, encoding)
        except UnicodeError as error:
            fault = fault or error
    at = fault.start if isinstance(fault, UnicodeDecodeError) else 0
    line = document.count(b"\n", 0, at) + 1
    column = at - document.rfind(b"\n", 0, at) - 1
    raise UnreadableError(
        f"it is not {declared or 'UTF-8, and declares no encoding'}: byte 0x{document[at]:02X} in line {line}, column"
        f' {column}; give its encoding in its first line, such as <?xml version="1.0" encoding="windows-1252"?>'
    )


def _from(document: bytes, encoding: str) -> bytes:
    """The document as UTF-8; raises UnicodeError. Decoded in pieces, none of which stays if it is UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)()
    pieces: list[bytes] = []
    for at in range(0, len(document), _PIECE):
        piece = document[at : at + _PIECE]
        try:
            text = decoder.decode(piece, final=at + _PIECE >= len(document))
        except UnicodeDecodeError as error:
            error.start += at + len(piece) - len(error.object)  # which begins with what the last piece left over
            raise
        if encoding != "utf-8":
            pieces.append(text.encode())
    return b"".join(pieces) if encoding != "utf-8" else document


def _references(text: bytes, notes: Notes) -> bytes:
    """Into one buffer: the pieces that re.sub keeps take eighty bytes for each &."""
    mended, at = bytearray(), 0
    for found in _REFERENCE.finditer(text):
        mended += text[at : found.start()]
        mended += _reference(found, notes)
        at = found.end()
    mended += text[at:]
    return bytes(mended)


def _reference(found: re.Match[bytes], notes: Notes) -> bytes:
    whole = found[0]
    if whole.startswith(b"<"):
        return whole
    if whole.startswith(b"&#"):
        return _numbers(found, notes)
    if meant := html.entities.html5.get(whole[1:].decode()):
        return _written(meant)
    notes.add("an & that begins no entity was read as &", found.string, found.start())
    return b"&amp;" + whole[1:]


def _numbers(found: re.Match[bytes], notes: Notes) -> bytes:
    """References by number; those of no character as browsers read them: 146 is an apostrophe in many systems."""
    codes = [int(number, 16 if x else 10) for x, number in _NUMBER.findall(found[0])]
    if not any(map(_is_odd, codes)):
        return found[0]
    notes.add("a number of no character was read as browsers read it", found.string, found.start())
    # Halves of a pair, each by its number, are the character that they are together.
    return _written("".join(map(_as_in_browsers, codes)).encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _written(text: str) -> bytes:
    return "".join(f"&#{ord(char)};" for char in text).encode()


def _is_odd(code: int) -> bool:
    return (
        (code < 32 and code not in {9, 10, 13})
        or 0x7F <= code < 0xA0
        or 0xD800 <= code < 0xE000
        or code in {0xFFFE, 0xFFFF}
        or code > 0x10FFFF
    )


def _as_in_browsers(code: int) -> str:
    if code < 32:
        return " "
    return chr(code) if 0xD800 <= code < 0xE000 else html.unescape(f"&#{code};") or "\ufffd"
