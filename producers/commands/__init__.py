"""The command line `producers`. No error shows a traceback: wrong use ends with 2, what failed with 1."""

from __future__ import annotations

import click

from ranker.service.lazy_group import LazyGroup
from ranker.service.version import VERSION

_COMMANDS = {
    "replay": "Send what access logs, JSON lines or CSV tell as page views.",
    "simulate": "Send invented traffic.",
    "articles": "Tell the ranker what articles there are, hide them, move them.",
    "collect": "Take events over HTTP and put them into Kafka.",
}


@click.group(
    cls=LazyGroup,
    package=__name__,
    modules=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="producers")
def main() -> None:
    """Write page views and articles to Kafka, for the ranker to count.

    \b
    Examples:
      producers replay access.log --article-pattern '^/articles/([^/]+)' --rebase-to now
      producers simulate --demo --history 7d --rate 50
      producers articles import feed.xml --site demo
      producers collect --config ranker.toml
    """
