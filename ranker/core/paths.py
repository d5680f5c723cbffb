"""Where a field of ours stands in a topic's value: names and places in lists, as TOML writes dotted keys.

`page.path` is the field path of the object page, `headers.User-Agent.0` the first of a list. A name with dots, or of
digits, is quoted: `page."user.agent"`, `by_year."2026"`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Union

Part = str | int
"""A name, or a place in a list from 0 on."""
Tree = dict[Part, Union[str, "Tree"]]
"""Part to what stands there: the name of a field of ours, or more parts."""

MOST_PLACES = 100
"""Places of a list that can be read: each is a field of a type that is made for it."""
_PART = re.compile(r'"([^"]+)"|([^."]+)')


def parts(path: str) -> tuple[Part, ...]:
    """The parts of a path that the schema allows. The first is a name, since a record is an object."""
    found: list[Part] = []
    for match in _PART.finditer(path):
        quoted, plain = match.groups()
        found.append(int(plain) if found and plain and plain.isascii() and plain.isdecimal() else plain or quoted)
    return tuple(found)


def spelled(path: str) -> str:
    """The one spelling of a path: no quotes that are not needed, so that equal paths make equal generations."""
    return ".".join(_spelled(part, first=not number) for number, part in enumerate(parts(path)))


def _spelled(part: Part, *, first: bool) -> str:
    if isinstance(part, int):
        return str(part)
    needs_quotes = "." in part or (not first and part.isascii() and part.isdecimal())
    return f'"{part}"' if needs_quotes else part


def tree(fields: Mapping[str, str]) -> Tree:
    """All paths together. Of paths that contradict each other (`faults`), one is left out."""
    found: Tree = {}
    for name, path in fields.items():
        node = found
        *way, last = parts(path)
        for part in way:
            inner = node.setdefault(part, {})
            if isinstance(inner, str):
                break
            node = inner
        else:
            node.setdefault(last, name)
    return found


def faults(fields: Mapping[str, str]) -> Iterator[str]:
    """Every contradiction of these paths, as sentences that name the fix."""
    known = {parts(path): (name, path) for name, path in fields.items()}
    for way, (name, path) in known.items():
        far = [part for part in way if isinstance(part, int) and part >= MOST_PLACES]
        if far:
            yield (
                f"source.fields: {name} = {path!r}: the first {MOST_PLACES} places of a list can be read, 0 to "
                f'{MOST_PLACES - 1}; a field that is called {far[0]} is written "{far[0]}", in quotes'
            )
        for length in range(1, len(way)):
            if way[:length] in known:
                outer, outer_path = known[way[:length]]
                yield (
                    f"source.fields: {outer} = {outer_path!r} is a value, and {name} = {path!r} stands inside it; "
                    "name the value itself for both, or another field"
                )
    yield from _mixed(tree(fields), "")


def _mixed(node: Tree, place: str) -> Iterator[str]:
    kinds = {type(part) for part in node}
    if len(kinds) > 1:
        yield (
            f"source.fields: {place!r} is read as a list and as an object; write a name of digits in quotes, such as "
            f'{place}."0"'
        )
    for part, inner in node.items():
        if isinstance(inner, dict):
            yield from _mixed(inner, f"{place}.{part}" if place else str(part))
