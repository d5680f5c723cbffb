"""An access log counted again, to judge the engine by: nothing here comes from producers or ranker.

Lines are taken apart at their quotes instead of by a pattern, paths at their slashes, and bots are told by the bare
data of crawler-user-agents. It need not be right about any log but ../shared/data/access-2015-05-17.log.
"""

import functools
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path


@dataclass(frozen=True)
class View:
    """A line that counts; milliseconds since the epoch, as the log has it."""

    at_ms: int
    article: str
    bot: bool


@dataclass
class AccessLog:
    """What became of each line. `latest_ms` is the latest time in the log, of lines that do not count too."""

    lines: int = 0
    latest_ms: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    views: list[View] = field(default_factory=list)

    def people(self) -> list[View]:
        return [view for view in self.views if not view.bot]

    def counts(self, from_ms: int) -> Counter[str]:
        """How often people have seen each article since then, by the log's own times."""
        return Counter(view.article for view in self.people() if view.at_ms >= from_ms)


def read(log: Path) -> AccessLog:
    found = AccessLog()
    for line in log.read_text("utf-8").splitlines():
        found.lines += 1
        pieces = line.split('"')
        request = pieces[1].split(" ") if len(pieces) == 7 else []
        if len(request) != 3:
            found.skipped["malformed"] += 1
            continue
        time = pieces[0][pieces[0].index("[") + 1 : pieces[0].index("]")]
        at_ms = int(datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").timestamp()) * 1000
        found.latest_ms = max(found.latest_ms, at_ms)
        article = article_of(request[1].split("?")[0])
        if request[0] != "GET":
            found.skipped["method"] += 1
        elif pieces[2].split()[0] not in {"200", "304"}:
            found.skipped["status"] += 1
        elif article is None:
            found.skipped["pattern"] += 1
        else:
            found.views.append(View(at_ms, article, is_bot(pieces[5])))
    return found


def article_of(path: str) -> str | None:
    """Return blog/SECTION/NAME (tags are no section), or articles/NAME and the like, less .html or a slash behind."""
    if path.endswith(".html"):
        path = path.removesuffix(".html")
    elif path.endswith("/"):
        path = path.removesuffix("/")
    match path.split("/"):
        case ["", "blog", section, name] if section not in {"", "tags"} and name:
            return path[1:]
        case ["", "articles" | "projects" | "presentations", name] if name:
            return path[1:]
    return None


@functools.cache
def is_bot(agent: str) -> bool:
    return any(pattern.search(agent) for pattern in crawlers())


@functools.cache
def crawlers() -> list[re.Pattern[str]]:
    data = resources.files("crawleruseragents").joinpath("crawler-user-agents.json").read_text("utf-8")
    return [re.compile(entry["pattern"]) for entry in json.loads(data)]
