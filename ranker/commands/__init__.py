"""The command line. Subcommands are imported when they are called, so that --help and usage errors come at once."""

from __future__ import annotations

import click

from ranker import __version__
from ranker.service.lazy_group import LazyGroup

SUBCOMMANDS = {
    "check": "Find out what is wrong here: Kafka, Redis, the clocks, what is counted, and by whom.",
    "compare": "Show what several definitions would count of the same stretch of the log.",
    "consume": "Count page views from Kafka into Redis.",
    "dead": "Look at dead letters, and send them again.",
    "freeze": "Make the documents of days and weeks that are over: once, and for ever.",
    "generations": "List, activate and drop generations.",
    "rebuild": "Build a generation beside the active one, show what changes in the lists, and activate it.",
    "serve": "Serve the ranked lists over HTTP, and the page at /.",
    "size": "Print what a load will take: memory, disk, processes, network.",
    "top": "Show the ranked lists in the terminal.",
    "topics": "Create or check the Kafka topics.",
    "verify": "Recount the log and compare it with the counts in Redis, or with the list of RECEIPT.",
}
"""Module of this package to its first line in --help; each has a click command called `command`."""


@click.group(
    cls=LazyGroup,
    package=__name__,
    modules=SUBCOMMANDS,
    renamed={"dead": "dead_letters"},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="ranker")
def main() -> None:
    """Exact, live popularity rankings from a Kafka log of page views.

    \b
    Addresses and settings, with their defaults:
      RANKER_KAFKA_BOOTSTRAP   127.0.0.1:9092
      RANKER_REDIS_URL         redis://127.0.0.1:6379/0
      RANKER_CONFIG            ranker.toml: sites, boards, windows, rules
      RANKER_ENV               production, or development

    \b
    Examples:
      ranker topics apply      create what is missing in Kafka
      ranker check             see whether everything is fit
      ranker consume           count
      ranker serve             show
    """
