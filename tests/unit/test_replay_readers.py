"""The address in a line of an access log: a key of the run, or a network of the site's own, and nothing else of it."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from producers.replay import replaying, sources
from producers.replay.log_readers import LogReaders, log_address
from producers.replay.replaying import Rules
from ranker.service.address import networks
from tests.unit.test_producers_replay import CRAWLER, PERSON, line

ADDRESS = "203.0.113.77"
JSON = '{"article_id":"/blog/a","occurred_at":1431857103000,"repeat_key":"mine"}'


def events(tmp_path: Path, lines: list[str], readers: LogReaders, **rules: Any) -> list[dict[str, Any]]:
    file = tmp_path / "in"
    file.write_text("\n".join(lines))
    found = replaying.outcomes(sources.source(str(file)), Rules("demo", readers=readers, **rules))
    return [one for one in found if isinstance(one, dict)]


def of(address: str, **more: Any) -> str:
    return line(**more).replace("1.2.3.4", address)


@pytest.mark.parametrize(
    ("before", "address"),
    [
        ("203.0.113.77 - - ", ADDRESS),
        ("203.0.113.77 - jean dupont ", ADDRESS),
        ("www.example.org:443 203.0.113.77 - - ", ADDRESS),
        ("<134>Nov 29 10:00:00 192.0.2.9 nginx: 203.0.113.77 - - ", ADDRESS),
        ("203.0.113.77, 10.0.0.1, 10.0.0.2 - - ", ADDRESS),
        ("203.0.113.77,10.0.0.1 - - ", ADDRESS),
        ('"203.0.113.77" - - ', ADDRESS),
        ("203.0.113.77:51234 - - ", ADDRESS),
        ("::ffff:203.0.113.77 - - ", ADDRESS),
        ("2001:db8::7 - - ", "2001:db8::7"),
        ("[2001:db8::7]:51234 - - ", "2001:db8::7"),
        ("unknown, 203.0.113.77 - - ", ADDRESS),
        ("reader.example.org - - ", None),
        ("", None),
        ("- - - ", None),
    ],
)
def test_the_address_of_a_line(before: str, address: str | None) -> None:
    """However servers write it: behind a virtual host, in a syslog, with proxies, with a port."""
    found = log_address(before)
    assert (None if found is None else str(found)) == address


def test_a_reader_has_one_key_for_an_article(tmp_path: Path) -> None:
    """Another article, browser, address or day gives another; another run gives all of them anew."""
    lines = [
        of(ADDRESS, path="/blog/a"),
        of(ADDRESS, path="/blog/a", second=50),
        of(ADDRESS, path="/blog/b"),
        of(ADDRESS, path="/blog/a", agent=PERSON + " "),
        of("203.0.113.78", path="/blog/a"),
        of(ADDRESS, path="/blog/a").replace("17/May", "18/May"),
        of("reader.example.org", path="/blog/a"),
    ]
    first, again, *others, nameless = (
        event.get("repeat_key") for event in events(tmp_path, lines, LogReaders(keys=True))
    )
    assert first is not None
    assert len(first) == 16
    assert first == again
    assert len({first, *others}) == 5
    assert nameless is None
    assert first not in [event.get("repeat_key") for event in events(tmp_path, lines, LogReaders(keys=True))]
    assert all("repeat_key" not in event for event in events(tmp_path, lines, LogReaders()))


def test_nothing_else_of_a_reader_is_sent(tmp_path: Path) -> None:
    """Neither address nor browser, in whatever form."""
    (event,) = events(tmp_path, [of(ADDRESS, path="/blog/a")], LogReaders(keys=True))
    assert set(event) == {"event_id", "event_type", "site_id", "article_id", "occurred_at", "repeat_key"}


def test_a_key_of_the_input_stays(tmp_path: Path) -> None:
    """With the option and without."""
    for readers in (LogReaders(), LogReaders(keys=True)):
        (event,) = events(tmp_path, [JSON], readers)
        assert event["repeat_key"] == "mine"


def test_private_addresses_are_counted(tmp_path: Path) -> None:
    """Many of them are a proxy's: a log behind Docker or nginx may have no other."""
    readers = LogReaders(keys=True)
    events(tmp_path, [of(one, path="/blog/a") for one in ("172.17.0.1", "172.17.0.1", "8.8.8.8")], readers)
    assert readers.private == 2


def test_networks_of_ipv4_as_ipv6_writes_them() -> None:
    """As clients' addresses are taken; otherwise such a network would have nobody in it."""
    written = ["::ffff:192.0.2.0/120", "::ffff:0:0/96", "::ffff:192.0.2.1", "::/0"]
    taken = list(map(ipaddress.ip_network, ("192.0.2.0/24", "0.0.0.0/0", "192.0.2.1", "::/0")))
    assert networks(written, "here") == (taken, [])


@pytest.mark.parametrize(
    ("address", "agent", "bots", "agent_class"),
    [
        ("192.0.2.9", PERSON, "mark", "internal"),
        ("192.0.3.9", PERSON, "mark", None),
        ("192.0.2.9", CRAWLER, "mark", "bot"),
        ("192.0.2.9", CRAWLER, "keep", "internal"),
        ("2001:db8::7", PERSON, "drop", "internal"),
        ("reader.example.org", PERSON, "mark", None),
    ],
)
def test_internal_networks(tmp_path: Path, address: str, agent: str, bots: str, agent_class: str | None) -> None:
    """The site's own people, unless a crawler runs there."""
    readers = LogReaders(map(ipaddress.ip_network, ("192.0.2.0/24", "2001:db8::/32")))
    (event,) = events(tmp_path, [of(address, path="/blog/a", agent=agent)], readers, bots=bots)
    assert event.get("agent_class") == agent_class
