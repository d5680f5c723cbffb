"""The scripts of other people's pages as they are published: which, where, and which documents pin them.

`python -m tests.support.published_scripts` publishes those that have changed: makes NAME.min.js of its sources, keeps the
new one in published/, pins it in the documents, and states until when the one before is served.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path

import orjson
import rjsmin

from ranker.serve.pages.block import Block
from ranker.service import scripts

CHECKOUT = Path(__file__).parents[2]
FOLDER = CHECKOUT / "ranker/serve/pages/block"
SERVED_ON = timedelta(days=366)
_ROW = re.compile(
    r"^\| `(/\w+\.[0-9a-f]{16}\.js)` \| `(sha384-[\w+/=]{64})` \| (?:latest|until (\S+)) \|$", re.MULTILINE
)

_FOR_FRAGMENT = ("months",)
"""Browsers know the names of months."""


@dataclass(frozen=True)
class Row:
    """One line of a document's table of versions; `until` is None for the latest."""

    address: str
    integrity: str
    until: date | None


@dataclass(frozen=True)
class Published:
    """One script. `documents` pin it; the first has the table."""

    name: str
    package: str
    current: bytes
    documents: tuple[str, ...]

    @property
    def address(self) -> str:
        return scripts.address(self.name, self.current)

    @property
    def integrity(self) -> str:
        return scripts.integrity(self.current)

    def line(self, server: str, attributes: str = "") -> str:
        """What the documents tell to paste into a page."""
        pin = f'integrity="{self.integrity}" crossorigin="anonymous"'
        return f'<script {attributes} src="{server}{self.address}" {pin}></script>'

    @property
    def served(self) -> Path:
        """What is served as the latest."""
        return self.folder.parent / f"{self.name}.min.js"

    @property
    def folder(self) -> Path:
        return Path(str(resources.files(self.package))) / "published"

    def text(self, document: str) -> str:
        return (CHECKOUT / document).read_text("utf-8")

    @property
    def rows(self) -> list[Row]:
        """The latest first."""
        found = _ROW.findall(self.text(self.documents[0]))
        return [Row(at, pin, date.fromisoformat(until) if until else None) for at, pin, until in found]

    def publish(self) -> None:
        for file in (self.served, self.folder / self.address[1:]):
            file.write_bytes(self.current)
        before = self.rows[0]
        if before.address == self.address:
            return
        for document in self.documents:
            text = self.text(document).replace(before.address, self.address).replace(before.integrity, self.integrity)
            (CHECKOUT / document).write_text(text, "utf-8")
        until = datetime.now(UTC).date() + SERVED_ON
        row = f"| `{self.address}` | `{self.integrity}` | latest |\n"
        table = self.text(self.documents[0])
        old = f"| `{before.address}` | `{before.integrity}` | until {until} |\n"
        (CHECKOUT / self.documents[0]).write_text(table.replace(row, row + old), "utf-8")


def block_script(block: Block) -> bytes:
    """block.js with the scripts, the style and the words that comments name, without comments and indentation."""
    source = (FOLDER / "block.js").read_text("utf-8")
    spoken = {
        lang: {name: said for name, said in words.items() if name not in _FOR_FRAGMENT}
        for lang, words in block.words.items()
    }
    parts = {
        '/* block.css */ ""': orjson.dumps(block.style).decode(),
        "/* words.json */ {}": orjson.dumps(spoken).decode(),
        "/* row.js */": included(FOLDER.parent / "row.js"),
        "/* own-article.js */": included(FOLDER / "own-article.js"),
        "/* best-of.js */": included(FOLDER / "best-of.js"),
    }
    for marker, part in parts.items():
        before, found, after = source.partition(marker)
        if not found:
            raise ValueError(f"block.js has no place {marker!r}")
        source = before + part + after
    made: str = rjsmin.jsmin(source)
    return made.encode()


def included(path: Path) -> str:
    """A script as it stands in another: nothing is imported or exported there."""
    return re.sub(r"^import .*\n|^export ", "", path.read_text("utf-8"), flags=re.MULTILINE)


TRACKER = Published(
    "tracker",
    "producers.collector.http",
    rjsmin.jsmin((CHECKOUT / "producers/collector/http/tracker.js").read_bytes(), keep_bang_comments=True),
    ("docs/tracker/README.md", "docs/tracker/index.html", "README.md", "schemas/openapi-collector.yaml"),
)
BLOCK = Published(
    "block",
    "ranker.serve.pages.block",
    block_script(Block()),
    (
        *("docs/block/README.md", "docs/block/index.html", "docs/block/articles-populaires.php", "README.md"),
        "schemas/openapi.yaml",
    ),
)
SCRIPTS = (TRACKER, BLOCK)

if __name__ == "__main__":
    for script in SCRIPTS:
        script.publish()
