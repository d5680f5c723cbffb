"""Reading the combined format."""

import pytest

from producers import times
from producers.replay import combined
from producers.replay.malformed import Malformed
from producers.replay.rows import ReplayRow

AGENT = '"-" "Mozilla/5.0 (X11)"'


def line(request: str = "GET /a HTTP/1.1", time: str = "17/May/2015:10:05:03 +0000", status: str = "200") -> str:
    return f'83.149.9.216 - - [{time}] "{request}" {status} 203023 {AGENT}'


def test_a_line_is_read() -> None:
    """Time, method, path, status and agent of an ordinary line."""
    assert combined.parse(line()) == ReplayRow(
        1431857103000, "GET", 200, "/a", "Mozilla/5.0 (X11)", {}, "83.149.9.216 - - "
    )


@pytest.mark.parametrize(
    "oddity",
    [
        "www.example.org:443 " + line(),
        line().replace("- -", "- jo ann"),
        line() + ' 0.003 "10.0.0.1"',
        line().replace("203023", "-"),
        line().replace('"-"', r'"http://x/?q=\"a\""'),
        line().replace("83.149.9.216", "2001:db8::1"),
    ],
)
def test_what_servers_vary_is_read_all_the_same(oddity: str) -> None:
    """Virtual host, user with a space, more fields, no size, escaped quotes, IPv6."""
    hit = combined.parse(oddity)
    assert isinstance(hit, ReplayRow)
    assert (hit.method, hit.target, hit.status) == ("GET", "/a", 200)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        line(request="-"),
        line(request=r"\x16\x03\x01"),
        line(time="17/Mai/2015:10:05:03 +0000"),
        line(time="31/Feb/2015:10:05:03 +0000"),
        line(status="2OO"),
        line()[:-20],
        line().partition(' "-"')[0],
    ],
)
def test_what_is_not_of_the_format_is_malformed(text: str) -> None:
    """No guess is made from a line that is cut, or whose time or request is none."""
    assert isinstance(combined.parse(text), Malformed)


def test_a_path_with_spaces_is_kept_whole() -> None:
    """Some servers log request targets unescaped."""
    hit = combined.parse(line(request="GET /a b HTTP/1.1"))
    assert isinstance(hit, ReplayRow)
    assert hit.target == "/a b"


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("01/Jan/1970:00:00:01 +0000", 1000),
        ("01/Jan/1970:02:00:01 +0200", 1000),
        ("31/Dec/1969:19:00:01 -0500", 1000),
        ("31/Dec/2016:23:59:60 +0000", 1483228799000),
    ],
)
def test_times_know_their_zone(text: str, at_ms: int) -> None:
    """Zones ahead and behind, and a leap second."""
    assert times.from_text(text) == at_ms


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("1.5h", 5_400_000), ("7d", 604_800_000), ("10", 10_000), ("250ms", 250)]
)
def test_durations(text: str, ms: int) -> None:
    """Units from milliseconds to days; a number alone is seconds."""
    assert times.duration_ms(text) == ms


@pytest.mark.parametrize("text", ["", "7 weeks", "-1s", "1e3s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With the text in the message."""
    with pytest.raises(ValueError, match="is no duration"):
        times.duration_ms(text)
