"""`make run`: the whole engine on this machine, on servers of its own unless the environment names others."""

import contextlib
import json
import os
import secrets
import shlex
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from deploy.local import children, options, past
from deploy.local.commands import commands_file
from deploy.local.directories import run_directory
from deploy.local.faults import LocalFault
from deploy.local.kafka_apache import ApacheKafka
from deploy.local.kafka_embedded import EmbeddedKafka
from deploy.local.kafka_jars import fetched
from deploy.local.ports import HOST, claim, free_port
from deploy.local.redis import RedisServer
from deploy.local.supervisor import Supervisor
from producers.collector.settings import load as collector_settings
from ranker.core.periods import Calendar
from ranker.settings import load as load_settings
from schemas import configuration
from schemas.configuration import SettingsError

# Leaving in order (a last flush, a goodbye to the group) takes well under a second; after this they are killed.
PATIENCE_S = 3.0
READY_WITHIN_S = 60.0
# The past takes some seconds to write and to count; a slow machine may take long, and nobody is kept waiting
# without seeing the bar move.
HISTORY_WITHIN_S = 1_800.0
HISTORY_EVENTS = "400000"
# Fast enough for ranks to change while one looks.
RATE = "200"
# Of the live events: sent over HTTP, as a site's own server would.
COLLECTOR_SHARE = "0.1"
KAFKA_PORT = 9092
REDIS_PORT = 6379
DEMO_TITLE = "Le Journal de démonstration"


def main() -> int:
    """Run until Ctrl-C (SIGINT), SIGTERM or SIGHUP (0), or until something fails, with a sentence (1)."""
    if "MAKELEVEL" in os.environ:
        # make forwards no death of its own: without this a killed make would leave us.
        children.end_with_parent()
    children.adopt_orphans()
    # SIGINT too: what a script starts in the background ignores it unless it says otherwise.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        launch(options.read(os.environ))
    except KeyboardInterrupt:
        say("\nStopped: every process has ended.")
        return 0
    except LocalFault as fault:
        sys.stdout.flush()
        print(f"make run: {fault}", file=sys.stderr, flush=True)
        return 1


def interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def say(line: str) -> None:
    print(line, flush=True)


def launch(wishes: options.Options) -> NoReturn:
    """Start everything, say where the page is, and look after all until something ends."""
    port = page_port(wishes)
    collector_port = default_port(options.COLLECTOR_PORT, page=port)
    with run_directory() as directory, supervision(directory) as supervisor:
        say(f"Logs       {directory}")
        config = site_config(supervisor, wishes, port)
        start_servers(supervisor, wishes)
        supervisor.run("topics command", [program("ranker"), "topics", "apply"])
        say("Topics     applied")
        admin = {"consumer": free_port(), "reader": free_port(), "collector": free_port()}
        consume: list[str | Path] = [program("ranker"), "consume", "--admin-port", str(admin["consumer"])]
        serve: list[str | Path] = [program("ranker"), "serve", "--host", HOST, "--port", str(port)]
        serve += ["--admin-port", str(admin["reader"]), "--drain-s", "0"]
        collect: list[str | Path] = [program("producers"), "collect", "--host", HOST, "--port", str(collector_port)]
        collect += ["--admin-port", str(admin["collector"]), "--spool", directory / "spool"]
        collect += ["--config", config, "--drain-s", "0"]
        engine = [
            supervisor.start("consumer", consume),
            supervisor.start("reader", serve),
            supervisor.start("collector", collect),
        ]
        for child in engine:
            supervisor.until_ready(child, admin[child.name], READY_WITHIN_S)
            say(f"{child.name.capitalize():10} ready; metrics: http://{HOST}:{admin[child.name]}/metrics")
        page, collector = f"http://{HOST}:{port}/", f"http://{HOST}:{collector_port}"
        say(f"Collector  takes events of site {wishes.site}: {collector}/v1/events, {collector}/tracker.js")
        with commands_file(supervisor.environment, directory) as commands:
            say(f"Commands   in another terminal: . {shlex.quote(str(commands))}")
            start_traffic(supervisor, wishes, page, collector)
            say(f"Page: {page}")
            while True:
                supervisor.until("The death of a process", lambda: False, float("inf"))


@contextlib.contextmanager
def supervision(directory: Path) -> Iterator[Supervisor]:
    """Look after the processes of a run, and end them all, undisturbed, when it is over."""
    supervisor = Supervisor(directory, {"RANKER_ENV": os.environ.get("RANKER_ENV") or "development"})
    try:
        yield supervisor
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop(PATIENCE_S)
        children.end_descendants()


def page_port(wishes: options.Options) -> int:
    """Return the port asked for, or the default one, or any if that is taken."""
    if wishes.port is not None:
        if not claim(wishes.port):
            raise LocalFault(
                f"Port {wishes.port} is taken by another program: choose another with PORT=, for example "
                f"`make run PORT={free_port()}`, or leave PORT out."
            )
        return wishes.port
    return default_port(options.DEFAULT_PORT, advice=" (PORT= chooses one.)")


def default_port(usual: int, *, page: int | None = None, advice: str = "") -> int:
    """Return `usual`, or any free port, saying so, if that is taken, by the page or by another program."""
    if usual != page and claim(usual):
        return usual
    port = free_port()
    say(f"Port {usual} is taken by {'the page' if usual == page else 'another program'}; taking {port}.{advice}")
    return port


def usual_port(usual: int) -> int:
    """Return the port where every command looks by itself, or any free one if it is taken."""
    return usual if claim(usual) else free_port()


def site_config(supervisor: Supervisor, wishes: options.Options, port: int) -> Path:
    """Return the ranker.toml that says who may send what: yours if it has the site, else one of this run alone.

    Servers that send need a write key: yours, or one of this run if the site has none, which is printed. Raises
    LocalFault with the collector's own words where it would not start with that.
    """
    table = {} if wishes.config is None else configuration.table(str(wishes.config))[0]
    config = wishes.config if wishes.site in table.get("sites", {}) else None
    if config is None:
        config = written_config(supervisor.directory, wishes, port)
    # Without a file of yours the run's is everybody's: it has the site's title, and nothing that makes a generation.
    supervisor.environment["RANKER_CONFIG"] = str((wishes.config or config).absolute())
    keys, _ = configuration.secrets("RANKER_WRITE_KEYS", wishes.write_keys or "")
    if wishes.site in keys:
        say("Write key  yours, by RANKER_WRITE_KEYS")
        supervisor.environment["RANKER_WRITE_KEYS"] = wishes.write_keys or ""
    else:
        keys[wishes.site] = secrets.token_urlsafe(24)
        say(f"Write key  {keys[wishes.site]}")
        supervisor.environment["RANKER_WRITE_KEYS"] = ",".join(f"{site}={key}" for site, key in keys.items())
    try:
        collector_settings(str(config), supervisor.environment)
    except SettingsError as error:
        raise LocalFault(str(error)) from error
    return config


def written_config(directory: Path, wishes: options.Options, port: int) -> Path:
    """Write a ranker.toml that opens the site to pages of this machine, and return its path."""
    # The page itself, and what `python -m http.server` serves: enough to try the tracker.
    origins = [f"http://{host}:{one}" for host in (HOST, "localhost") for one in {port, 8000}]
    lines = ["[rules]", 'preset = "press"', f'[sites."{wishes.site}"]']
    lines += [f"origins = {json.dumps(origins)}", f'hosts = ["{HOST}", "localhost"]']
    lines.append('public_types = ["view", "share", "comment"]')
    if wishes.traffic and wishes.log is None:
        lines += [f'title = "{DEMO_TITLE}"', *past.table(wishes.site)]
    lines += ["[rising.rising]", 'of = "read"']
    config = directory / "ranker.toml"
    config.write_text("\n".join([*lines, ""]), "utf-8")
    return config


def start_servers(supervisor: Supervisor, wishes: options.Options) -> None:
    """Start Redis and Kafka, where none are named, and tell the programs where they are."""
    if wishes.redis_url is None:
        store = RedisServer(supervisor.directory / "redis", port=usual_port(REDIS_PORT))
        supervisor.add(store)
        supervisor.environment["RANKER_REDIS_URL"] = store.url
        say(f"Redis      {store.url} ({store.name})")
    else:
        supervisor.environment["RANKER_REDIS_URL"] = wishes.redis_url
        say("Redis      yours, by RANKER_REDIS_URL")
    if wishes.bootstrap is None:
        if wishes.kafka == "apache" and not fetched():
            say("Kafka      fetching Apache Kafka with Maven: 43 MB, this once")
        kind = EmbeddedKafka if wishes.kafka == "embedded" else ApacheKafka
        broker = kind(supervisor.directory / "kafka", port=usual_port(KAFKA_PORT))
        supervisor.add(broker)
        supervisor.environment["RANKER_KAFKA_BOOTSTRAP"] = broker.bootstrap
        say(f"Kafka      {broker.bootstrap} ({broker.name})")
    else:
        supervisor.environment["RANKER_KAFKA_BOOTSTRAP"] = wishes.bootstrap
        say("Kafka      yours, by RANKER_KAFKA_BOOTSTRAP")


def start_traffic(supervisor: Supervisor, wishes: options.Options, page: str, collector: str) -> None:
    """Send the log that was named, or a made-up history and then live views, or nothing."""
    shown = sys.stderr.isatty()
    if wishes.log is not None:
        say(f"Traffic    {wishes.log}, its times shifted so that the latest is now")
        argv: list[str | Path] = [program("producers"), "replay", wishes.log, "--article-pattern", wishes.pattern]
        argv += ["--rebase-to", "now", "--site", wishes.site, "--repeat-key"]
        replay = supervisor.run("replay", argv, float("inf"), errors_shown=shown)
        for line in replay.tail().splitlines():
            say(f"           {line}")
    elif wishes.traffic:
        calendar = site_calendar(supervisor, wishes.site)
        # The simulator begins a moment later: its past does not reach into the week before.
        length = past.length(calendar, time.time_ns() // 1_000_000)
        days = f"{length.days} days of made-up history, {int(HISTORY_EVENTS):,} events"
        say(f"Traffic    {days}, then {RATE} events a second")
        argv = [program("producers"), "simulate", "--demo", "--site", wishes.site]
        history: list[str | Path] = [*argv, "--history", f"{int(length.total_seconds())}s", "--events", "0"]
        history += ["--history-events", HISTORY_EVENTS]
        keeps_times: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if wishes.bootstrap is None and wishes.kafka == "apache":
            keeps_times = past.producers_times(supervisor.environment["RANKER_KAFKA_BOOTSTRAP"])
        with keeps_times:
            supervisor.run("history", history, HISTORY_WITHIN_S, errors_shown=shown)
        live: list[str | Path] = [*argv, "--rate", RATE, "--collector", collector, "--collector-share", COLLECTOR_SHARE]
        supervisor.start("traffic", live, errors_shown=shown)
        if calendar is None:
            say(f"Best of    none: site {wishes.site} has no calendar in your ranker.toml")
        elif wishes.bootstrap is None:
            freeze: list[str | Path] = [program("ranker"), "freeze", "--site", wishes.site]
            supervisor.run("freeze", freeze, HISTORY_WITHIN_S, errors_shown=shown)
            say(f"Best of    {past.frozen(wishes.site, supervisor.log_of('freeze'))} frozen")
        else:
            say("Best of    none yet: to your Kafka this history came today; `ranker freeze` makes what is over")
        supervisor.until("The first list", lambda: list_total(page, wishes.site) > 0, READY_WITHIN_S)
    else:
        say("Traffic    none (TRAFFIC=0)")


def site_calendar(supervisor: Supervisor, site: str) -> Calendar | None:
    """Return the calendar that every program reads for a site."""
    config = supervisor.environment["RANKER_CONFIG"]
    found = load_settings(config, supervisor.environment).sites.get(site)
    return None if found is None else found.calendar


def list_total(page: str, site: str) -> int:
    """Return how many views the longest list of a site counts; 0 while there is none."""
    url = f"{page}v1/{site}/popular/read/7d?limit=1"
    with contextlib.suppress(OSError, ValueError, KeyError), urllib.request.urlopen(url, timeout=2.0) as reply:  # noqa: S310
        return int(json.load(reply)["total"])
    return 0


def program(name: str) -> Path:
    """Return the command `name` of the environment that runs us."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise LocalFault(f"The command {name} is not installed beside {sys.executable}: run `make setup`.")
    return path
