"""The same id twice in one import: the newest by its own date holds, and what are two articles is refused by name."""

from __future__ import annotations

import re
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from schemas.article_id import IdRule

_OF_CAMPAIGN = re.compile(
    r"utm_.*|mtm_.*|(?:pk|piwik|matomo)_(?:campaign|cpn|kwd|keyword|source|medium)"
    r"|at_(?:medium|campaign|creation|variant|format|platform|network|general_placement|detail_placement|term|emailtype"
    r"|link|link_id|link_type|link_origin|recipient_id|recipient_list|send_date|send_time|ptr_name|custom\d{1,2})"
    r"|xtor|mc_(?:cid|eid)|fbclid|gclid|gclsrc|dclid|wbraid|gbraid|msclkid|twclid|ttclid|yclid|igshid",
    re.IGNORECASE,
)
"""Parameters that tell where a reader comes from, and lead to the same article.

Whole names that are nothing else: `ref` and `pk_article` are numbers of articles at some sites.
"""
_NUMBERED = re.compile(r"([A-Za-z_-]{0,32})\d{1,19}")
"""A parameter that is an id itself, as in /spip.php?article12."""


@dataclass(frozen=True)
class Refused:
    """An entry that is no article: `place` is its line or number, from 1."""

    place: int
    reason: str


@dataclass(frozen=True)
class Found:
    """An article. `address` is what its id comes from, `at_ms` its own newest date, 0 without one.

    `beyond` is what the address says beyond the id, None if the id does not come from a path.
    """

    place: int
    article: dict[str, Any]
    address: str
    at_ms: int
    beyond: str | None = None
    dated: bool = True

    @property
    def key(self) -> tuple[str, str]:
        return self.article["site_id"], self.article["article_id"]

    @property
    def held(self) -> Held:
        return Held(self.place, self.at_ms, self.beyond)


class Held(NamedTuple):
    """What of an article is compared with others of its id."""

    place: int
    at_ms: int
    beyond: str | None

    def clashes(self, other: Held) -> bool:
        return None not in {self.beyond, other.beyond} and self.beyond != other.beyond


def beyond(url: str, rule: IdRule) -> str | None:
    """What an address says that its id as a path does not: its query without that of campaigns, and a route."""
    if rule.source != "path":
        return None
    address, _, fragment = url.partition("#")
    pairs = urllib.parse.parse_qsl(address.partition("?")[2], keep_blank_values=True)
    query = urllib.parse.urlencode(sorted(p for p in pairs if not _OF_CAMPAIGN.fullmatch(p[0])))
    return f"{query}#{fragment}" if fragment.startswith(("!", "/")) else query


def newest(found: Iterable[Found]) -> tuple[list[Found], list[Refused], int]:
    """One of each id, the refused ones, and the number of those that were left out for a newer one."""
    groups: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for one in found:
        groups[one.key].append(one)
    kept: list[Found] = []
    refused: list[Refused] = []
    repeated = 0
    for group in groups.values():
        different = {one.beyond: one for one in reversed(group) if one.beyond is not None}
        if len(different) > 1:
            first, second, *_ = sorted(different.values(), key=lambda one: one.place)
            refused += [
                Refused(one.place, clash(one, second.held if one.beyond == first.beyond else first.held))
                for one in group
                if one.beyond is not None
            ]
            continue
        kept.append(max(group, key=lambda one: (one.at_ms, one.place)))
        repeated += len(group) - 1
    return kept, refused, repeated


def clash(one: Found, other: Held) -> str:
    """Why two addresses may not be one article, and the fix."""
    ours, others = (_parameters(each) for each in (one.beyond, other.beyond))
    query = str(one.article.get("url")).partition("#")[0].partition("?")[2]
    in_order = [name for name in _parameters(query) if name in ours]
    names = [name for name in in_order if others.get(name) != ours[name]] or list(others)
    name = names[0] if names else ""
    in_table = in_shell = ""
    if ours.get(name) or others.get(name):
        in_table, in_shell = f'"query:{name}"', f"query:{name}"
    elif word := _NUMBERED.fullmatch(name):
        in_table = in_shell = rf"'[?&]({word[1]}\d+)'"
    fix = f"set ids.from = {in_table} for site {one.key[0]} in ranker.toml, or give --article-pattern {in_shell}"
    fix = fix if in_table else "give each article a path of its own"
    return (
        f"its id would be {one.key[1]}, as that of entry {other.place}, since a path holds no query: "
        f"{one.address}; {fix}"
    )


def _parameters(beyond: str | None) -> dict[str, str]:
    return dict(urllib.parse.parse_qsl((beyond or "").partition("#")[0], keep_blank_values=True))
