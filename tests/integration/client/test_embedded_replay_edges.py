"""`producers replay` on files as the world writes them: understood, or said; the real command, the real topic."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from tests.support.producers_command import read, run

NOW_S = int(time.time())
LOCAL = "%Y-%m-%d %H:%M:%S"


def line(target: bytes, at: str = "22/Nov/2026:10:05:03 +0100", before: bytes = b"") -> bytes:
    return b'%b1.2.3.4 - - [%b] "GET %b HTTP/1.1" 200 1 "-" "Mozilla/5.0"\n' % (before, at.encode(), target)


async def sent(bootstrap: str, topic: str, count: int) -> Counter[str]:
    """How often each article is in the topic."""
    return Counter(orjson.loads(record.value)["article_id"] for record in await read(bootstrap, topic, count))


async def test_an_article_is_counted_once_whatever_its_spelling(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Browsers, CMSes, nginx and Apache write one address in many ways; it stays ahead of a smaller article."""
    spellings = [
        *[b"/soci%C3%A9t%C3%A9/un-%C3%A9t%C3%A9"] * 2,
        *[b"/soci%c3%a9t%c3%a9/un-%c3%a9t%c3%a9"] * 2,
        *["/société/un-été".encode()] * 2,
        b"/soci%C3%A9t%C3%A9/un%2D%C3%A9t%C3%A9",
        *[b"/sport/finale"] * 3,
    ]
    file = tmp_path / "access.log"
    file.write_bytes(b"".join(map(line, spellings)))
    code, out, err = await run(kafka_embedded, "replay", str(file), "--json", "--topic", topics[0])
    assert (code, orjson.loads(out)["sent"]) == (0, 10), err
    assert (await sent(kafka_embedded, topics[0], 10)).most_common() == [("/société/un-été", 7), ("/sport/finale", 3)]


@pytest.mark.long
async def test_the_sites_rule_is_that_of_ranker_toml(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """--config or RANKER_CONFIG; --article-pattern holds instead of it."""
    config, file = tmp_path / "ranker.toml", tmp_path / "access.log"
    config.write_text('[sites.demo.ids]\nfrom = "query:p"\n[sites.other.ids]\ntrailing_slash = "keep"\n')
    file.write_bytes(line(b"/index.php?p=12&utm_source=x") + line(b"/a/"))
    args = ("replay", str(file), "--config", str(config), "--topic", topics[0])
    for more in ([], ["--article-pattern", "^/(a)"], ["--site", "other"], ["--article-pattern", "query:utm_source"]):
        code, _, err = await run(kafka_embedded, *args, *more)
        assert code == 0, err
    assert await sent(kafka_embedded, topics[0], 5) == {"12": 1, "a": 1, "/index.php": 1, "/a/": 1, "x": 1}
    config.write_text('[sites.demo.ids]\nfrom = "("\n')
    code, _, err = await run(kafka_embedded, *args)
    assert code == 2
    assert "sites.demo.ids.from: '(' is no regular expression" in err


@pytest.mark.parametrize(
    ("targets", "more", "code"),
    [
        ([b"/about"] * 3, (), 1),
        ([b"/about", b"/index.php?q=12"], (), 1),
        ([b"/about"] * 3 + [b"/?p=1"], (), 0),
        ([b"/about"], ("--article-pattern", "path"), 0),
        ([], (), 0),
    ],
)
async def test_a_log_without_an_articles_address_is_no_success(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path, targets: list[bytes], more: tuple[str, ...], code: int
) -> None:
    """Its rule is another site's. Connections without a request do not matter; one article is enough."""
    config = tmp_path / "ranker.toml"
    config.write_text('[sites.demo.ids]\nfrom = "query:p"\n')
    log = b"".join(map(line, targets)) + line(b"/a").replace(b"GET /a HTTP/1.1", b"-").replace(b" 200 ", b" 408 ") * 9
    args = ("replay", "-", "--config", str(config), "--topic", topics[0], *more)
    found, out, err = await run(kafka_embedded, *args, stdin=log)
    assert found == code, (out, err)
    sentence = f"No address of {len(targets)} has an article's id; see --article-pattern and [sites.NAME.ids].\n"
    assert (sentence in err) == (code == 1)


async def test_local_times_are_refused_or_right_with_the_zone(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Twelve views of the last two hours by a clock in Paris, of which six would be in the future by UTC."""
    now_s = int(time.time())  # not that of the import: a suite takes longer than the tolerance
    file = tmp_path / "export.csv"
    file.write_text(
        "occurred_at,url\n"
        + "".join(f"{time.strftime(LOCAL, time.gmtime(now_s - n * 600 + 3600))},/a\n" for n in range(12))
    )
    args = ("replay", str(file), "--topic", topics[0])
    code, out, err = await run(kafka_embedded, *args)
    assert code == 1
    assert out.startswith("0 of 12 lines sent")
    assert f"{file}, line 2: malformed: occurred_at: " in err
    assert "has no offset from UTC; give --zone, such as Europe/Paris" in err
    assert "… and 2 more\n12 of 12 lines of" in err
    code, out, err = await run(kafka_embedded, *args, "--zone", "Africa/Lagos", "--json")
    summary = orjson.loads(out)
    assert (code, summary["sent"], summary["last_occurred_at"]) == (0, 12, now_s * 1000), err
    code, out, err = await run(kafka_embedded, *args, "--zone", "UTC")
    assert code == 1
    assert "future" in err
    assert "minutes ahead of this clock" in err
    code, _, err = await run(kafka_embedded, *args, "--zone", "Europe/Pari")
    assert code == 2
    assert "'Europe/Pari' is no time zone; write it as Europe/Paris" in err


async def test_an_hour_that_comes_twice_is_said(kafka_embedded: str, topics: tuple[str, str], tmp_path: Path) -> None:
    """And one that was skipped is malformed, with the reason."""
    file = tmp_path / "export.csv"
    times = ("2026-10-25 01:30:00", "2026-10-25 02:30:00", "2026-10-25 02:45:00", "2026-03-29 02:30:00")
    file.write_text("occurred_at;url\n" + "".join(f"{at};/a\n" for at in times))
    code, out, err = await run(kafka_embedded, "replay", str(file), "--zone", "Europe/Paris", "--topic", topics[0])
    assert code == 0, err
    assert out.startswith("3 of 4 lines sent")
    assert "from 2026-10-24T23:30:00Z to 2026-10-25T00:45:00Z" in out
    assert "Times of an hour that comes twice in Europe/Paris, each taken as the first: 2\n" in err
    assert f"{file}, line 5: malformed: occurred_at: 2026-03-29 02:30:00 was no time in Europe/Paris" in err


async def test_seconds_are_refused_each_with_its_line(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """What is right beside them is sent."""
    file = tmp_path / "events.jsonl"
    rows = [{"article_id": "/a", "occurred_at": NOW_S - n} for n in range(3)]
    rows.append({"article_id": "/b", "occurred_at": NOW_S * 1000})
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    code, out, err = await run(kafka_embedded, "replay", str(file), "--json", "--topic", topics[0])
    summary = orjson.loads(out)
    assert (code, summary["sent"], summary["skipped"]["malformed"]) == (1, 1, 3)
    assert [(fault["line"], fault["reason"]) for fault in summary["faults"]] == [
        (n + 1, f"occurred_at is {NOW_S - n}: that looks like seconds; give milliseconds") for n in range(3)
    ]
    assert err.count("looks like seconds") == 3
    assert await sent(kafka_embedded, topics[0], 1) == {"/b": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "1.2.3.4, -, 11/22/2026, 7:55:20, W3SVC2, A, 10.0.0.1, 4, 1, 3, 200, 0, GET, /a, -,\n",
            "Let IIS write the W3C",
        ),
        ("timestamp,page\n2026-11-22T09:05:03Z,/a\n", "look like CSV of other column names"),
        ("\x1b[2J nothing known\n", "Read are combined, common, vhost"),
        (
            '{"url":"/a","occurred_at":1795338303000}\n1.2.3.4 - - [22/Nov/2026:10:05:03 +0100] "GET /a" 200 1\n',
            "1 of its first 2 lines are jsonl, and as many common. Choose one with --format",
        ),
    ],
)
async def test_a_file_in_another_format_is_refused(
    kafka_embedded: str, topics: tuple[str, str], text: str, said: str
) -> None:
    """By a pipe, too: the sentence names the format and what to do; nothing is sent."""
    code, out, err = await run(kafka_embedded, "replay", "-", "--topic", topics[0], stdin=text.encode())
    assert (code, out) == (2, "")
    assert said in " ".join(err.split())
    assert "Nothing was sent." in err
    assert "\x1b" not in err
    assert await sent(kafka_embedded, topics[0], 0) == {}


async def test_brackets_before_the_client_are_no_fault(
    kafka_embedded: str, topics: tuple[str, str], tmp_path: Path
) -> None:
    """Tags of syslog, with and without structured data; lines without a request are counted and no failure."""
    file = tmp_path / "access.log"
    file.write_bytes(
        line(b"/a", before=b"Nov 22 10:05:03 host nginx[123]: ")
        + line(b"/a", before=b'<190>1 2026-11-22T10:05:03Z host nginx 123 - [sd id="x"] ')
        + line(b"/a").replace(b"- -", b"- [admin]")
        + line(b"/a").replace(b"GET /a HTTP/1.1", b"-").replace(b" 200 ", b" 408 ") * 5
        + line(b"/a").replace(b"GET /a HTTP/1.1", b"\xe9\x1b[2J").replace(b" 200 ", b" 400 ")
    )
    code, out, err = await run(kafka_embedded, "replay", str(file), "--json", "--topic", topics[0])
    summary = orjson.loads(out)
    assert (code, summary["skipped"]["malformed"]) == (0, 6), err
    assert err.count('malformed: no request in it: "-"') == 5
    assert summary["faults"][-1]["reason"] == r'no request in it: "\udce9\x1b[2J"'
    assert await sent(kafka_embedded, topics[0], 3) == {"/a": 3}
