"""A list as a file for spreadsheets: what RFC 4180 asks for, and what a spreadsheet must not run."""

import csv
import io
from typing import Any

import pytest

from ranker.serve.api.csv_file import COLUMNS, csv_file

NOTHING = dict.fromkeys(COLUMNS)


def content(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    window = {"name": "24h"}
    known = {"site": "demo", "board": "read", "window": window, "as_of": "2026-11-23T01:17:04.735Z", "complete": True}
    return {**known, "items": [{**NOTHING, "rank": 1, "article_id": "/a", **item} for item in items], **more}


def rows(made: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(made.decode(), newline=""), strict=True))


def test_a_file() -> None:
    """Lines end in CR LF, the first has the names; quotes, commas and line ends inside a title survive."""
    title = 'Un "grand" titre, sur\r\ndeux lignes\u00a0: été'
    made, name = csv_file(content({"title": title, "count": 3, "share": 0.25}, {}))
    assert name == "demo-read-24h-20261123T011704Z.csv"
    assert made.startswith(b"rank,article_id,count,share,title,url,format,section,published_at\r\n1,/a,3,0.25,")
    assert made.endswith(b"\r\n1,/a,,,,,,,\r\n")
    assert rows(made)[0] == dict.fromkeys(COLUMNS, "") | {
        "rank": "1",
        "article_id": "/a",
        "count": "3",
        "share": "0.25",
        "title": title,
    }


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_nothing_is_a_formula(first: str) -> None:
    """In any column, since whoever sends events chooses ids and whoever writes titles may be anybody."""
    text = f'{first}HYPERLINK("https://evil.example";A1)'
    fields = ("article_id", "title", "url", "format", "section")
    (row,) = rows(csv_file(content(dict.fromkeys(fields, text)))[0])
    assert [row[field] for field in fields] == [f"'{text}"] * len(fields)


@pytest.mark.parametrize("text", ["/a", "12", "https://a.example/=x", "'=", " =x", "« = »"])
def test_other_text_stays_as_it_is(text: str) -> None:
    """Ids can be read back."""
    (row,) = rows(csv_file(content({"article_id": text, "title": text}))[0])
    assert (row["article_id"], row["title"]) == (text, text)


def test_where_rows_come_from_and_what_is_missing() -> None:
    """The last column if a list is filled up; the name of an incomplete list says so."""
    made, name = csv_file(content({"origin": "7d"}, fallback=["7d"], complete=False))
    assert rows(made)[0]["origin"] == "7d"
    assert list(rows(made)[0])[-1] == "origin"
    assert name == "demo-read-24h-20261123T011704Z-incomplete.csv"
