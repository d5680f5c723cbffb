"""A topic whose events are not ours: other field names, event types and time units, as [source] in ranker.toml maps."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from ranker.core.event import MAX_TIME_MS, PageView
from ranker.core.value_form import Form, form_of
from schemas.article_id import DEFAULT, MAX_BYTES, IdRule, NoArticleError, normalized

_REQUIRED = ("event_type", "site_id", "article_id", "occurred_at")
_IDS = ("event_id", "site_id", "article_id", "visitor_id", "repeat_key", "producer_id")
_REMEMBERED = 65_536
"""Article ids whose normal form is kept: to look one up takes 0.2 us, to make it 1 to 10."""
_LONGEST_REMEMBERED = 2 * MAX_BYTES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Translation = Callable[[Any], None]
"""Changes a decoded event in place; raises msgspec.ValidationError if it is not valid."""


class Source(msgspec.Struct, frozen=True):
    """How a foreign topic's events become page views.

    `fields` maps each field of ours to the topic's name for it, `constants` a field to its value if the record lacks it
    or `fields` does not name it, `event_types` the topic's types to ours; `time` is a key of `TIMES`.
    """

    fields: dict[str, str]
    constants: dict[str, str]
    event_types: dict[str, str]
    time: str
    ids: dict[str, IdRule] | msgspec.UnsetType = msgspec.UNSET
    """If set, article ids that are addresses get their normal form, by these sites' rules; others have the default."""

    @classmethod
    def from_table(cls, table: Mapping[str, Any], rules: Mapping[str, IdRule]) -> Source:
        """From a validated [source] table with its defaults. A required field it does not name is read by its own.

        Other fields are read only if it names them: a foreign field called value is hardly a number of views.
        """
        ids = {site: rule for site, rule in rules.items() if rule != DEFAULT} if "ids" in table else msgspec.UNSET
        fields, constants = table["fields"], table["constants"]
        own = {name: name for name in _REQUIRED if name not in constants}
        return cls(own | fields, dict(constants), dict(table["event_types"]), table["time"], ids)


def faults(source: Source) -> list[str]:
    """Every contradiction in this table, as sentences that name the fix."""
    found = []
    for name, count in Counter(source.fields.values()).items():
        if count > 1:
            ours = " and ".join(sorted(field for field, theirs in source.fields.items() if theirs == name))
            found.append(
                f"source.fields: {ours} are all read from {name!r}; give each a field of its own, or a constant "
                "(a required field that is not named is read by its own name)"
            )
    constant = source.constants.get("event_type")
    if constant is not None and (meant := source.event_types.get(constant, constant)) != constant:
        found.append(
            f"source.event_types: {constant!r}, which is the constant, would become {meant!r}; "
            f"write constants.event_type = {meant!r}, or remove that mapping"
        )
    return found


class Decoder:
    """Decodes values of records to page views, those of a foreign topic by its `Source`.

    Raises as msgspec does.
    """

    def __init__(self, source: Source | msgspec.UnsetType) -> None:
        self.decode: Callable[[bytes], Any] = self
        """The same, and for a topic of ours without a detour."""
        self._translations: list[_Translation] = []
        self._names: Collection[str] = _REQUIRED
        if isinstance(source, msgspec.UnsetType):
            self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(PageView).decode
            self.decode = self._decode
            return
        self._names = source.fields.values()
        self._decode = msgspec.json.Decoder(_foreign(source)).decode
        self._translations += [_as_text(name) for name in _IDS if name in source.fields]
        if "event_type" in source.fields and source.event_types:
            self._translations.append(_with_our_types(source.event_types))
        if not isinstance(source.ids, msgspec.UnsetType):
            self._translations.append(_with_normal_ids(source.ids))
        in_ms = TIMES[source.time][1]
        if in_ms is not None:
            self._translations.append(in_ms)

    def __call__(self, value: bytes) -> PageView:
        event: PageView = self._decode(value)
        for translate in self._translations:
            translate(event)
        return event

    def fault(self, value: bytes) -> Form | None:
        """Why a value cannot be decoded: the form that it has, or msgspec's words without a fix; None if it can be."""
        try:
            self(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return form_of(value, self._names) or Form(str(error), "")
        return None


def _foreign(source: Source) -> type[msgspec.Struct]:
    """PageView under the topic's names. A field that is not read is a class attribute with its constant."""
    declared: list[Any] = []
    unread: dict[str, Any] = {}
    for field in msgspec.structs.fields(PageView):
        name, type_, default = field.name, field.type, source.constants.get(field.name, field.default)
        if name == "event_id":  # a topic without ids has no duplicates that could be told
            type_, default = type_ | None, None
        if name in _IDS:
            type_ |= _Number
        if name == "occurred_at":
            type_ = TIMES[source.time][0]
        if name not in source.fields:
            unread[name] = default
        elif default is msgspec.NODEFAULT:
            declared.append((name, type_))
        else:
            declared.append((name, type_, default))
    return msgspec.defstruct(
        "ForeignPageView", declared, namespace=unread, rename=source.fields, gc=False, kw_only=True
    )


def _as_text(name: str) -> _Translation:
    """Ids that are numbers become their decimal digits: 17 and "17" are one article."""
    id_of = operator.attrgetter(name)

    def translate(event: Any) -> None:
        id_ = id_of(event)
        if type(id_) is int:
            setattr(event, name, str(id_))

    return translate


def _with_normal_ids(rules: Mapping[str, IdRule]) -> _Translation:
    @lru_cache(maxsize=_REMEMBERED)
    def normal(site_id: str, article_id: str) -> str:
        try:
            return normalized(article_id, rules.get(site_id, DEFAULT))
        except NoArticleError:
            return ""  # no id, so the record is rejected for it

    def translate(event: Any) -> None:
        # Long ones, of which the most are none, are not remembered: they would take memory without end.
        form = normal if len(event.article_id) <= _LONGEST_REMEMBERED else normal.__wrapped__
        event.article_id = form(event.site_id, event.article_id)

    return translate


def _with_our_types(types: Mapping[str, str]) -> _Translation:
    def translate(event: Any) -> None:
        event.event_type = types.get(event.event_type, event.event_type)

    return translate


def _from_microseconds(event: Any) -> None:
    event.occurred_at //= 1000


def _from_seconds(event: Any) -> None:
    """Rounds to microseconds before it truncates: 0.001 s is 1 ms, though the binary fraction may be less."""
    event.occurred_at = round(event.occurred_at * 1_000_000) // 1000


def _from_moments(event: Any) -> None:
    since = event.occurred_at - _EPOCH  # timestamp() takes longer
    time_ms = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    if not 0 <= time_ms <= MAX_TIME_MS:
        raise msgspec.ValidationError("the time lies outside the years 1970 to 2100")
    event.occurred_at = time_ms


TIMES: dict[str, tuple[Any, _Translation | None]] = {
    "ms": (Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS)], None),
    "s": (Annotated[float, msgspec.Meta(ge=0, le=MAX_TIME_MS / 1000)], _from_seconds),
    "us": (Annotated[int, msgspec.Meta(ge=0, le=MAX_TIME_MS * 1000)], _from_microseconds),
    "rfc3339": (Annotated[datetime, msgspec.Meta(tz=True)], _from_moments),
}
"""Unit to the type that times are decoded as, and the conversion to milliseconds (None: they are milliseconds)."""
