"""Documents of periods as they are delivered: the document, what follows it, and what was taken down since."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ranker.core.best_of import Key
from ranker.lists.archive import Archive, Entry
from ranker.lists.articles import known_as
from ranker.lists.names import name_of, names_of
from ranker.serve.api.best_of_request import DocumentRequest, PeriodsRequest, Sight, default_board, existing_archive
from ranker.serve.api.list_request import FIRST_DEADLINE_S
from ranker.serve.http.problems import ProblemError
from ranker.serve.live.board import Board
from ranker.serve.live.documents import Documents
from ranker.store.errors import StoreUnavailableError

_BLANK = ("article_id", "title", "url", "section", "format", "published_at")
"""What is left out of an item that was taken down: an id is an address, which repeats the title."""
_COUNTED = ("late", "total", "dropped")


@dataclass(frozen=True, slots=True)
class Delivered:
    """`content` is the JSON, `places` how many the whole document has.

    `boards` are those of the period, with their newest revisions; then come the periods beside it.
    """

    content: dict[str, Any]
    places: int
    boards: Mapping[str, int]
    earlier: date | None
    later: date | None


class BestOf:
    """What documents and the archive answer, as of now."""

    def __init__(self, board: Board, documents: Documents) -> None:
        self._board = board
        self._documents = documents

    async def document(self, wanted: DocumentRequest, deadline_s: float = FIRST_DEADLINE_S) -> Delivered:
        """Raises ProblemError, 503 if the document cannot be read."""
        key, archive = wanted.key, existing_archive(self._board, wanted.key.site)
        document = self._documents.known(key)
        if document is None:
            try:
                document = await self._documents.read(key, deadline_s)
            except StoreUnavailableError as error:
                detail = f"This document cannot be served at present: {error}."
                raise ProblemError(503, detail, headers={"Retry-After": "1"}) from error
        earlier, later = archive.beside(key.site, key.kind, key.first, key.board)
        content = delivered(document, self._is_removed(key.site), wanted.sight, later, wanted.limit)
        return Delivered(content, len(document["items"]), wanted.entry.boards, earlier, later)

    async def newest(self, site: str, kind: str, limit: int, sight: Sight, deadline_s: float) -> Delivered | None:
        """The newest document of a kind, its first places, of the board that goes first; None if there is none now."""
        archive = self._board.archive
        if archive is None:
            return None
        entry = next((one for one in archive.entries(site) if one.kind == kind), None)
        if entry is None:
            return None
        try:
            return await self.document(self._request(site, entry, None, sight, limit), deadline_s)
        except ProblemError:
            return None

    async def periods(self, wanted: PeriodsRequest, places: int) -> list[Delivered]:
        """The documents of a part of the archive, newest first, their first places. Raises ProblemError."""
        _, entries = self.entries(wanted)
        requests = (self._request(wanted.site, entry, wanted.board, wanted.sight, places) for entry in entries)
        ends = time.monotonic() + FIRST_DEADLINE_S
        return [await self.document(one, max(0.0, ends - time.monotonic())) for one in requests]

    def entries(self, wanted: PeriodsRequest) -> tuple[int, Sequence[Entry]]:
        """How many periods fit, and the part that is wanted. Raises ProblemError."""
        archive: Archive = existing_archive(self._board, wanted.site)
        found = [
            entry
            for entry in archive.entries(wanted.site)
            if wanted.kind in {None, entry.kind} and (wanted.board is None or wanted.board in entry.boards)
        ]
        return len(found), found[wanted.offset : wanted.offset + wanted.limit]

    def kinds(self, site: str) -> set[str]:
        """The kinds of which the site has documents."""
        return {entry.kind for entry in existing_archive(self._board, site).entries(site)}

    def _request(self, site: str, entry: Entry, board: str | None, sight: Sight, limit: int) -> DocumentRequest:
        name = board or default_board(self._board, site, entry)
        key = Key(site, entry.kind, entry.first, name, entry.boards[name])
        return DocumentRequest(key, entry, limit, html=False, lang="", sight=sight)

    def _is_removed(self, site: str) -> Callable[[str], bool]:
        """Whether an article is hidden or removed now, by any of its spellings or the address that it has moved to."""
        articles, rule = self._board.articles.of(site), self._board.site(site).ids
        moved = self._board.articles.aliases(site)

        def is_hidden(own: str, name: str) -> bool:
            article = known_as(articles, own, name)
            return article is not None and article.hidden

        def is_removed(article_id: str) -> bool:
            own, name = names_of(article_id, rule)
            to = moved.get(own) or moved.get(name)
            return is_hidden(own, name) or (to is not None and is_hidden(to, name_of(to, rule)))

        return is_removed


def delivered(
    document: Mapping[str, Any],
    is_removed: Callable[[str], bool],
    sight: Sight,
    later: date | None,
    limit: int | None = None,
) -> dict[str, Any]:
    """A document with `next`, without what this request may not see; `sha256` only if it may see all numbers.

    An item that was taken down keeps its place and its count, and has `removed`.
    """
    content = {**document, "next": None if later is None else str(later)}
    content["items"] = list(_items(document["items"][:limit], is_removed, counts=sight.counts))
    if "changed" in document:
        content["changed"] = [_change(one, is_removed, counts=sight.counts) for one in document["changed"]]
    if not sight.counts:
        content.update(dict.fromkeys(_COUNTED))
    if not sight.positions:
        content["made_of"] = {**document["made_of"], "partitions": None}
        content["sha256"] = None
    return content


def _items(
    items: Sequence[Mapping[str, Any]], is_removed: Callable[[str], bool], *, counts: bool
) -> Iterator[dict[str, Any]]:
    for item in items:
        shown = dict(item)
        if not counts:
            shown.update(count=None, share=None)
        if is_removed(item["article_id"]):
            shown.update(dict.fromkeys(_BLANK), removed=True)
        yield shown


def _change(change: Mapping[str, Any], is_removed: Callable[[str], bool], *, counts: bool) -> dict[str, Any]:
    removed = is_removed(change["article_id"])
    shown: dict[str, Any] = {**change, "article_id": None if removed else change["article_id"]}
    for side in ("before", "after"):
        row = None if change[side] is None else dict(change[side])
        if row is not None and not counts:
            row["count"] = None
        if row is not None and removed:
            row["title"] = None
        shown[side] = row
    return shown | ({"removed": True} if removed else {})


def archive_json(site: str, total: int, entries: Sequence[Entry]) -> dict[str, Any]:
    """A part of the archive, newest first."""
    return {
        "site": site,
        "periods": total,
        "items": [
            {
                "kind": entry.kind,
                "date": str(entry.first),
                "boards": [{"board": board, "revision": newest} for board, newest in sorted(entry.boards.items())],
            }
            for entry in entries
        ],
    }
