"""A topic whose events are not ours: where its page views stand, and which records are none, as [source] says it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ranker.core import paths
from schemas.article_id import DEFAULT, IdRule

REQUIRED = ("event_type", "site_id", "article_id", "occurred_at")
REQUEST = ("method", "status", "user_agent")
"""Fields that no page view has: they say whether a line of an access log is one, and whose."""
METHODS, STATUSES = ("GET",), (200, 304)
"""What counts of an access log if nothing else is said, as `producers replay` has it."""
BOT_AGENTS = (
    r"(?i)^(?!-$|mozilla/|opera/|lynx/|e?links|w3m/)|compatible; (?!msie)|(?<!cu)bot(?!tle)|crawl|spider|slurp|scrap|"
    r"archiv|preview|monitor|check|probe|scan|feed|fetch|headless|phantomjs|lighthouse|pingdom|facebookexternalhit|"
    r"inspection|favicon|zgrab|https?://|@[a-z0-9-]+\.[a-z]"
)
"""What the user agents of crawlers and programs have in them, or do not begin with: 97 of 100 in the public list of
crawler-user-agents. An expression, and not the lists that `producers replay` goes by: these change with every release,
and what was counted must not."""
KEY, TIMESTAMP, HEADER = "key", "timestamp", "header "
"""Where a field stands that is not in the value: `HEADER` is followed by the header's name."""
SKIPPED = ("method", "status", "event_type", "pattern")
"""Why a record is no page view and no dead letter either, in the order in which they are looked at."""

_TYPES = {"json-schema": "a schema registry's frame and JSON", "avro": "a schema registry's frame and Avro"}


class Source(msgspec.Struct, frozen=True):
    """How a foreign topic's events become page views.

    `fields` maps fields of ours, and those of `REQUEST`, to where they stand in the value (core/paths.py), `constants`
    a field to its value if the record lacks it or nothing names it, `event_types` the topic's types to ours; `time` is
    a key of core/source_times.py's `TIMES`. What is unset is no part of the canonical form.
    """

    fields: dict[str, str]
    constants: dict[str, str]
    event_types: dict[str, str]
    time: str
    ids: dict[str, IdRule] | msgspec.UnsetType = msgspec.UNSET
    """If set, article ids that are addresses get their normal form, by these sites' rules; others have the default."""
    record: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """Fields that stand beside the value: `KEY`, `TIMESTAMP` or `HEADER` and a name."""
    article_pattern: str | msgspec.UnsetType = msgspec.UNSET
    """Searched in article_id; group 1 is the id, and what does not match is no page view."""
    methods: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    statuses: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET
    other_types: str | msgspec.UnsetType = msgspec.UNSET
    """`skip`: types that `event_types` does not name are no page views."""
    bot_agents: str | msgspec.UnsetType = msgspec.UNSET
    """Searched in user_agent: a match makes the agent_class bot."""
    format: str | msgspec.UnsetType = msgspec.UNSET
    """`json-schema` or `avro`, in the frame of a schema registry; unset: JSON."""

    @classmethod
    def from_table(cls, table: Mapping[str, Any], rules: Mapping[str, IdRule]) -> Source:
        """From a validated [source] table with its defaults. A required field it does not name is read by its own.

        Other fields are read only if it names them: a foreign field called value is hardly a number of views.
        """
        ids = {site: rule for site, rule in rules.items() if rule != DEFAULT} if "ids" in table else msgspec.UNSET
        named, constants = table["fields"], table["constants"]
        record = {name: _beside(where) for name, where in named.items() if not isinstance(where, str)}
        own = {name: name for name in REQUIRED if name not in constants and name not in record}
        fields = own | {name: paths.spelled(where) for name, where in named.items() if isinstance(where, str)}
        return cls(
            fields,
            dict(constants),
            dict(table["event_types"]),
            table["time"],
            ids,
            record or msgspec.UNSET,
            table.get("article_pattern", msgspec.UNSET),
            tuple(sorted(table.get("methods", METHODS))) if "methods" in table or "method" in named else msgspec.UNSET,
            tuple(sorted(table.get("statuses", STATUSES)))
            if "statuses" in table or "status" in named
            else msgspec.UNSET,
            "skip" if table.get("other_types") == "skip" else msgspec.UNSET,
            table.get("bot_agents", BOT_AGENTS) if "bot_agents" in table or "user_agent" in named else msgspec.UNSET,
            table["format"] if table.get("format") in _TYPES else msgspec.UNSET,
        )

    @property
    def beside(self) -> dict[str, str]:
        """`record`, empty if it is unset."""
        return {} if isinstance(self.record, msgspec.UnsetType) else self.record

    @property
    def headers(self) -> frozenset[str]:
        """The names of the headers that are read."""
        return frozenset(where.removeprefix(HEADER) for where in self.beside.values() if where not in (KEY, TIMESTAMP))

    @property
    def filters(self) -> bool:
        """Whether a record can be no page view without being a dead letter."""
        skips = self.article_pattern, self.methods, self.statuses, self.other_types
        return any(not isinstance(one, msgspec.UnsetType) for one in skips)


def _beside(where: Mapping[str, str]) -> str:
    """Of `{ header = "NAME" }`, `{ record = "key" }` or `{ record = "timestamp" }`."""
    return HEADER + where["header"] if "header" in where else where["record"]


def faults(source: Source) -> list[str]:
    """Every contradiction in this table, as sentences that name the fix."""
    found = [*_twice(source), *paths.faults(source.fields), *_constants(source), *_beside_faults(source)]
    named = source.fields.keys() | source.beside.keys()
    for field, key, value in (
        ("method", "methods", source.methods),
        ("status", "statuses", source.statuses),
        ("user_agent", "bot_agents", source.bot_agents),
    ):
        if value is not msgspec.UNSET and field not in named:
            found.append(f"source.{key}: nothing says where the {field} stands; add {field} to source.fields")
    if source.other_types is not msgspec.UNSET and not ("event_type" in named and source.event_types):
        found.append(
            "source.other_types: all types are others; name the field of the type in source.fields.event_type, and in "
            "source.event_types those that are page views"
        )
    if {"user_agent", "agent_class"} <= named:
        found.append("source.fields: agent_class is read, and user_agent would decide it, too; name one of them")
    if {"method", "status"} & named and source.article_pattern is msgspec.UNSET:
        found.append(
            "source.article_pattern: an access log has every file of a site; write a regular expression whose group 1 "
            "is the article's id, such as '^(/news/[^?]+)', or '(.+)' if each line is of an article"
        )
    for key, pattern, groups in (
        ("article_pattern", source.article_pattern, 1),
        ("bot_agents", source.bot_agents, 0),
    ):
        if not isinstance(pattern, msgspec.UnsetType):
            found += _pattern_faults(key, pattern, groups)
    return found


def _twice(source: Source) -> Iterator[str]:
    read = {**source.fields, **{name: f"the record's {where}" for name, where in source.beside.items()}}
    for place, count in Counter(read.values()).items():
        if count > 1:
            ours = " and ".join(sorted(field for field, theirs in read.items() if theirs == place))
            yield (
                f"source.fields: {ours} are all read from {place!r}; give each a field of its own, or a constant "
                "(a required field that is not named is read by its own name)"
            )


def _constants(source: Source) -> Iterator[str]:
    constant = source.constants.get("event_type")
    if constant is not None and (meant := source.event_types.get(constant, constant)) != constant:
        yield (
            f"source.event_types: {constant!r}, which is the constant, would become {meant!r}; "
            f"write constants.event_type = {meant!r}, or remove that mapping"
        )


def _beside_faults(source: Source) -> Iterator[str]:
    for name, where in source.beside.items():
        if where == TIMESTAMP and name != "occurred_at":
            yield f"source.fields: {name}: a record's timestamp is a time; only occurred_at can be read from it"


def _pattern_faults(key: str, pattern: str, groups: int) -> Iterator[str]:
    try:
        found = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield f"source.{key}: {pattern!r} is no regular expression ({error})"
        return
    if found.groups < groups:
        yield f"source.{key}: {pattern!r} has no group; put what is the article's id into ( )"
