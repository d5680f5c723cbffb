"""`producers articles`, and its import; the editor's commands are in editor.py."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from producers import ahead, event, lines
from producers.articles import imports
from producers.articles.documents import UnreadableError
from producers.articles.imports import ImportDefaults, Refused
from producers.client.producer import Producer
from producers.commands import common, editor
from producers.simulate import emit
from ranker.service import progress, signals
from ranker.service.printable import printable

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
    "pattern",
    metavar="REGEX",
    callback=common.check_pattern,
    help="Searched in the path of an article's URL; group 1 is its id. Use the same as for replay. Default: the path.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@common.bootstrap_option
@common.topic_option("articles")
def import_(
    *,
    file: str,
    site: str,
    kind: str,
    pattern: re.Pattern[str] | None,
    as_json: bool,
    bootstrap: str,
    topic: str,
) -> None:
    """Import articles from JSON lines, an RSS or Atom feed, or a news sitemap; - reads standard input.

    JSON lines have the fields of schemas/article.schema.json: title, url and published_at are required, format, section
    and updated_at are not. Times may be milliseconds or RFC 3339, and an id not given is taken from the URL. A line
    with "status": "removed" takes an article off the lists. What does not fit is reported, the rest is imported, and
    the exit code is then 1. A feed or sitemap may have 64 MiB and 200,000 entries, a line of JSON 1 MiB.

    \b
    Examples:
      producers articles import feed.xml --site demo --article-pattern '^/articles/([0-9]+)'
      producers articles import articles.jsonl
      echo '{"article_id": "/a", "status": "removed"}' | producers articles import - --site demo
    """
    try:
        with lines.stdin() if file == lines.STDIN else Path(file).open("rb") as source:
            found = _articles(source, kind, ImportDefaults(site, pattern, emit.now_ms()))
            summary = ImportSummary(topic)
            common.run(_import(found, summary, bootstrap))
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnreadableError as error:
        raise click.UsageError(f"{file} cannot be imported: {error}") from error
    summary.print(as_json=as_json)


class ImportSummary:
    """The outcomes of all entries."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.imported = 0
        self.removed = 0
        self.refused: list[Refused] = []
        self.refused_count = 0

    def keep(self, found: Iterator[dict[str, Any] | Refused]) -> Iterator[tuple[bytes, bytes]]:
        """The records of valid articles; others are counted, and the first faults kept."""
        for article in found:
            if isinstance(article, Refused):
                self.refused_count += 1
                self.refused = [*self.refused, article][:SHOWN_FAULTS]
                continue
            self.imported += 1
            self.removed += article["status"] == "removed"
            yield event.encode(article)

    def print(self, *, as_json: bool) -> None:
        """Prints the summary; exit code 1 if an entry was refused."""
        for fault in self.refused:
            click.echo(f"Entry {fault.place}: {printable(fault.reason, LONGEST_REASON)}", err=True)
        if self.refused_count > len(self.refused):
            click.echo(f"… and {self.refused_count - len(self.refused):,} more", err=True)
        if as_json:
            click.echo(
                orjson.dumps({"imported": self.imported, "removed": self.removed, "refused": self.refused_count})
            )
        else:
            click.echo(
                f"{self.imported:,} articles imported into {self.topic} ({self.removed:,} of them as removed), "
                f"{self.refused_count:,} refused"
            )
        if self.refused_count:
            raise click.exceptions.Exit(1)


def _articles(source: BinaryIO, kind: str, defaults: ImportDefaults) -> Iterator[dict[str, Any] | Refused]:
    head = source.read(65_536)
    kind = imports.guess(head) if kind == "auto" else kind
    if kind == "jsonl":
        first = io.BytesIO(head)

        def readline(most_bytes: int) -> bytes:
            line = first.readline(most_bytes)
            # The head may end within a line, whose rest is still in the file.
            return line if line.endswith(b"\n") else line + source.readline(most_bytes - len(line))

        return imports.from_json_lines(readline, defaults)
    document = head + source.read(imports.LARGEST_DOCUMENT_BYTES)
    if len(document) > imports.LARGEST_DOCUMENT_BYTES:
        raise UnreadableError(f"it is larger than {imports.LARGEST_DOCUMENT_BYTES >> 20} MiB")
    parse = imports.from_feed if kind == "feed" else imports.from_sitemap
    # Parsed to the end before anything is sent, so that a document that is cut imports nothing.
    return iter(list(parse(document, defaults)))


async def _import(found: Iterator[dict[str, Any] | Refused], summary: ImportSummary, bootstrap: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(signals.stop_event())
        producer = await stack.enter_async_context(Producer(bootstrap, summary.topic))
        portions = await stack.enter_async_context(contextlib.aclosing(ahead.portions(summary.keep(found), stop)))
        with progress.bar("Importing", None, unit="events") as advance:
            async for portion in portions:
                await producer.send_records(portion)
                advance(producer.sent)
        await producer.flush()
        if stop.is_set():
            raise click.ClickException(f"Interrupted: {producer.delivered:,} articles were imported.")
