"""The types that a foreign topic's values are decoded to: one for each object and list on the way to what is read."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from ranker.core import paths
from ranker.core.event import PageView
from ranker.core.paths import Part, Tree
from ranker.core.source import REQUEST, TIMESTAMP, Source
from ranker.core.source_times import TIMES

IDS = ("event_id", "site_id", "article_id", "visitor_id", "repeat_key", "producer_id")
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_REQUEST_TYPES: tuple[tuple[str, Any, Any], ...] = (
    ("method", str, msgspec.NODEFAULT),
    ("status", int | str, msgspec.NODEFAULT),
    ("user_agent", str | None, None),
)


class Leaf(NamedTuple):
    """A field that is read: its type, and what holds if a record lacks it (msgspec.NODEFAULT: it is rejected)."""

    type: Any
    default: Any


def leaves(source: Source, unit: str, *, nullable: bool) -> dict[str, Leaf]:
    """Every field that is read, in the order of the contract. `nullable`: null stands for what is absent, as in Avro.

    If a record can be no page view, what is required is looked for behind that: until then it may be absent.
    """
    read = source.fields.keys() | source.beside.keys()
    found: dict[str, Leaf] = {}
    ours = [(field.name, field.type, field.default) for field in msgspec.structs.fields(PageView)]
    for name, declared, own in (*ours, *_REQUEST_TYPES):
        if name not in read:
            continue
        type_, default = declared, source.constants.get(name, own)
        if name == "event_id":  # a topic without ids has no duplicates that could be told
            type_, default = type_ | None, None
        if name in IDS:
            type_ |= _Number
        if name == "occurred_at" and source.beside.get(name) != TIMESTAMP:
            type_ = TIMES[unit][0]
        if source.filters and default is msgspec.NODEFAULT:
            type_, default = type_ | None, None
        elif nullable and name in source.fields and default is not msgspec.NODEFAULT:
            type_ |= None
        found[name] = Leaf(type_, default)
    return found


def unread(source: Source) -> dict[str, Any]:
    """What holds for every record: constants and defaults of fields that are not read."""
    read = source.fields.keys() | source.beside.keys()
    ours = {field.name: field.default for field in msgspec.structs.fields(PageView)}
    values = ours | {"event_id": None} | dict.fromkeys(REQUEST) | source.constants
    return {name: value for name, value in values.items() if name not in read}


def flat(source: Source, found: Mapping[str, Leaf]) -> type[msgspec.Struct]:
    """The event itself: all fields stand at the top level of the value. Unread ones are attributes of the class."""
    rename = {name: str(paths.parts(source.fields[name])[0]) for name in found}
    return msgspec.defstruct(
        "ForeignPageView",
        [_declared(name, *leaf) for name, leaf in found.items()],
        namespace=unread(source),
        rename=rename,
        gc=False,
        kw_only=True,
    )


def is_flat(source: Source) -> bool:
    """Whether the value is the event: all that is read stands at its top level, and nothing is derived from another."""
    return (
        not source.beside
        and "user_agent" not in source.fields
        and all(len(paths.parts(path)) == 1 for path in source.fields.values())
    )


class Nested:
    """What is read of a value: `type` is what it is decoded to, and calling this returns its fields, in their order."""

    def __init__(self, source: Source, found: Mapping[str, Leaf], unread: Any = msgspec.Raw) -> None:
        """`unread` is the type of places in lists that are not read: raw JSON, or any object."""
        self._unread = unread
        self._leaves = {name: leaf for name, leaf in found.items() if name in source.fields}
        self._places: dict[str, str] = {}
        fields = {name: source.fields[name] for name in self._leaves}
        self.type, _ = self._object(paths.tree(fields), "")
        places = [self._places[name] for name in self._leaves]
        if len(places) == 1:
            one = operator.attrgetter(places[0])
            self._get: Callable[[Any], tuple[Any, ...]] = lambda root: (one(root),)
        else:
            self._get = operator.attrgetter(*places) if places else lambda _root: ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields that are returned."""
        return tuple(self._leaves)

    def __call__(self, root: Any) -> tuple[Any, ...]:
        try:
            return self._get(root)
        except AttributeError:  # an object on the way is null
            return tuple(_value(root, self._places[name], leaf.default) for name, leaf in self._leaves.items())

    def _object(self, tree: Tree, place: str) -> tuple[type[msgspec.Struct], bool]:
        """The type of an object or a list, and whether it has to be there."""
        is_list = any(isinstance(part, int) for part in tree)
        declared: list[Any] = []
        rename: dict[str, str] = {}
        required = False
        for number, (part, inner) in enumerate(_in_order(tree)):
            name = f"_{number}"
            if inner is None:
                declared.append((name, self._unread, None))
                continue
            if isinstance(inner, str):
                leaf, name = self._leaves[inner], inner
                self._places[inner] = place + inner
                required |= leaf.default is msgspec.NODEFAULT
                declared.append(_declared(name, *leaf))
            else:
                type_, needed = self._object(inner, f"{place}{name}.")
                required |= needed
                declared.append((name, type_) if needed else (name, type_ | None, type_()))
            if not is_list:
                rename[name] = str(part)
        kind = msgspec.defstruct(
            "Part", declared, rename=rename or None, array_like=is_list, gc=False, kw_only=True, frozen=True
        )
        return kind, required


def _in_order(tree: Tree) -> Iterator[tuple[Part, str | Tree | None]]:
    """What is read; of a list each place up to the last one, None for those that are not."""
    places = [part for part in tree if isinstance(part, int)]
    if not places:
        yield from tree.items()
        return
    for place in range(max(places) + 1):
        yield place, tree.get(place)


def _declared(name: str, type_: Any, default: Any) -> tuple[Any, ...]:
    return (name, type_) if default is msgspec.NODEFAULT else (name, type_, default)


def _value(root: Any, place: str, default: Any) -> Any:
    for name in place.split("."):
        if root is None:
            return default
        root = getattr(root, name)
    return root
