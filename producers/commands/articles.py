"""`producers articles`, and its import; the editor's commands are in editor.py."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from producers import ahead, event, lines
from producers.articles import files, imports
from producers.articles.imports import Import, ImportDefaults
from producers.articles.markup import UnreadableError
from producers.articles.repeats import Refused
from producers.client import whole_topic
from producers.client.producer import Producer
from producers.commands import common, editor
from producers.simulate import emit
from producers.times import LocalClock
from ranker.connect.kafka import KafkaSettings
from ranker.service import progress, signals
from ranker.service.printable import printable
from schemas.article_id import normalized

SHOWN_FAULTS = 10
LONGEST_REASON = 600


@click.group("articles")
def command() -> None:
    """Import articles (title, address, section, format); hide them; declare where they have moved.

    \b
    Examples:
      producers articles import feed.xml --site demo
      producers articles hide demo /faits-divers/un-nom-de-trop
      producers articles alias demo /2026/le-dernier-bal /culture/le-dernier-bal
    """


for _command in (editor.hide, editor.show, editor.alias):
    command.add_command(_command)


@command.command("import")
@click.argument("file", metavar="FILE|-")
@click.option(
    "--site", default="demo", show_default=True, callback=common.check_site, help="Site of entries that name none."
)
@click.option("--format", "kind", type=click.Choice(["auto", *imports.KINDS]), default="auto", show_default=True)
@click.option(
    "--article-pattern",
    "source",
    metavar="REGEX|path|query:NAME",
    callback=common.check_source,
    help="How an article's URL becomes its id, in place of ids.from in ranker.toml: a pattern, whose group 1 it is, or"
    " the parameter NAME. Use the same as for replay.",
)
@common.config_option
@click.option(
    "--zone",
    "clock",
    metavar="NAME",
    callback=common.check_zone,
    help="Zone of times without an offset, such as Europe/Paris. Default: lines with such times are refused, entries of"
    " feeds have no date then.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@common.bootstrap_option
@common.topic_option("articles")
def import_(
    *,
    file: str,
    site: str,
    kind: str,
    source: str | None,
    config: str | None,
    clock: LocalClock | None,
    as_json: bool,
    kafka: KafkaSettings,
    topic: str,
) -> None:
    """Import articles from JSON lines, an RSS or Atom feed, or a news sitemap; - reads standard input.

    JSON lines have the fields of schemas/article.schema.json: title, url and published_at are required, format, section
    and updated_at are not. Times are milliseconds, or RFC 3339 with an offset, and an id not given is taken from the
    URL. A line with "status": "removed" takes an article off the lists.

    What does not fit is reported, the rest is imported, and the exit code is then 1. Of a document that is not
    understood, or whose end is missing, nothing is imported. Of entries with one id the newest holds; if only their
    queries differ, they are refused. An entry of a feed or sitemap without a date keeps that of its first import. A
    feed or sitemap may have 64 MiB and 200,000 entries, a line of JSON 1 MiB; all may be packed with gzip.

    \b
    Examples:
      producers articles import feed.xml --site demo --article-pattern '^/articles/([0-9]+)'
      producers articles import sitemap-news.xml.gz --config ranker.toml
      producers articles import articles.jsonl
      echo '{"article_id": "/a", "status": "removed"}' | producers articles import - --site demo
    """
    try:
        with (
            lines.stdin() if file == lines.STDIN else Path(file).open("rb") as opened,
            contextlib.ExitStack() as stack,
        ):
            defaults = ImportDefaults(site, emit.now_ms(), common.id_rules(config), source, clock)
            summary = ImportSummary(topic, _read(opened, kind, defaults, stack), defaults)
            common.run(_import(summary, kafka))
    except UnreadableError as error:
        raise click.ClickException(f"{file} cannot be imported: {error}") from error
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror or error}") from error
    summary.print(as_json=as_json)


class ImportSummary:
    """The outcomes of all entries."""

    def __init__(self, topic: str, about: Import, defaults: ImportDefaults) -> None:
        self.topic = topic
        self.about = about
        self.imported = 0
        self.removed = 0
        self.refused: list[Refused] = []
        self.refused_count = 0
        self._defaults = defaults
        self._first_seen: dict[tuple[str, str], int] = {}

    def see(self, value: bytes) -> None:
        """Keep the publication that a record of the topic gives for an article that has none in this import."""
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):  # no record of an article
            record: Any = orjson.loads(value)
            site, published_ms = record["site_id"], record["published_at"]
            key = site, normalized(record["article_id"], self._defaults.rule(site))
            if key in self.about.undated and 0 < published_ms <= event.LATEST_MS:
                self._first_seen[key] = int(published_ms)

    def keep(self) -> Iterator[tuple[bytes, bytes]]:
        """The records of valid articles; others are counted, and the first faults kept."""
        for article in self.about.found:
            if isinstance(article, Refused):
                self.refused_count += 1
                self.refused = [*self.refused, article][:SHOWN_FAULTS]
                continue
            self.imported += 1
            self.removed += article["status"] == "removed"
            if seen_ms := self._first_seen.get((article["site_id"], article["article_id"])):
                article["published_at"] = seen_ms
            yield event.encode(article)

    def print(self, *, as_json: bool) -> None:
        """Prints the summary; exit code 1 if an entry was refused, or there was none."""
        for note in self._notes():
            click.echo(f"Note: {printable(note, LONGEST_REASON)}", err=True)
        for fault in self.refused:
            click.echo(f"Entry {fault.place}: {printable(fault.reason, LONGEST_REASON)}", err=True)
        if self.refused_count > len(self.refused):
            click.echo(f"… and {self.refused_count - len(self.refused):,} more", err=True)
        numbers = {
            "imported": self.imported,
            "removed": self.removed,
            "refused": self.refused_count,
            "repeated": self.about.repeated,
            "undated": len(self.about.undated),
        }
        if as_json:
            click.echo(orjson.dumps(numbers))
        else:
            click.echo(
                f"{self.imported:,} articles imported into {self.topic} ({self.removed:,} of them as removed), "
                f"{self.refused_count:,} refused"
                + (f", {self.about.repeated:,} repeated" if self.about.repeated else "")
                + (f", {len(self.about.undated):,} without a date" if self.about.undated else "")
            )
        if not self.imported and not self.refused_count:
            raise click.ClickException("There was no article in it.")
        if self.refused_count:
            raise click.exceptions.Exit(1)

    def _notes(self) -> Iterator[str]:
        yield from self.about.notes
        if undated := len(self.about.undated):
            known = f", {len(self._first_seen):,} of them known before" if self._first_seen else ""
            yield f"{undated:,} articles have no date of publication{known}; each keeps that of its first import"
        if unread := self.about.unread:
            why = "cannot be read, could be two, or has no offset (--zone)"
            yield f"{len(unread):,} entries have a date that {why}, such as {unread[0][:80]!r}"
        if (clock := self._defaults.clock) and clock.twice:
            yield f"{clock.twice:,} times are of an hour that came twice in {clock.zone}; the first was taken"
        if queried := self.about.queried:
            which = (
                f"{queried:,} entries have an address with a query that their id has not, such as {self.about.query}"
            )
            yield f'{which}; if the query names the article, set ids.from = "query:NAME" for the site in ranker.toml'
        if repeated := self.about.repeated:
            yield f"{repeated:,} entries have the id of another; of each id the newest holds, or the last without dates"


def _read(opened: io.BufferedIOBase, kind: str, defaults: ImportDefaults, stack: contextlib.ExitStack) -> Import:
    """To the end before anything is sent, so that a document or a packed file that is cut imports nothing."""
    head, source, packed = files.unpacked(opened)
    if not head:
        raise UnreadableError("it is empty")
    if kind == "jsonl" or (kind == "auto" and imports.is_json(head)):
        rows = stack.enter_context(files.whole(source)) if packed else source
        files.check_end(rows if packed else opened)
        return imports.from_json_lines(rows.readline, defaults)
    with files.gzip_errors():
        document = source.read(imports.LARGEST_DOCUMENT_BYTES + 1)
    if len(document) > imports.LARGEST_DOCUMENT_BYTES:
        raise UnreadableError(f"it is larger than {imports.LARGEST_DOCUMENT_BYTES >> 20} MiB")
    return imports.from_document(document, kind, defaults)


async def _import(summary: ImportSummary, kafka: KafkaSettings) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event(common.soon()))
        producer = await stack.enter_async_context(Producer(kafka, summary.topic))
        if summary.about.undated:
            async for value in whole_topic.values(kafka, summary.topic, producer.partitions):
                summary.see(value)
        portions = await stack.enter_async_context(contextlib.aclosing(ahead.portions(summary.keep(), stop)))
        with progress.bar("Importing", None, unit="events") as advance:
            async for portion in portions:
                await producer.send_records(portion)
                advance(producer.sent)
        await producer.flush()
        if stop.is_set():
            raise click.ClickException(f"Interrupted: {producer.delivered:,} articles were imported.")
