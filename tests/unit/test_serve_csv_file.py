"""A list as a file for spreadsheets: what RFC 4180 requires, and what a spreadsheet must not run."""

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
    return list(csv.DictReader(io.StringIO(made.decode("utf-8-sig"), newline=""), strict=True))


def test_a_file() -> None:
    """Lines end in CR LF, the first has the names; quotes, commas and line ends inside a title survive."""
    title = 'Un "grand" titre, sur\r\ndeux lignes\u00a0: été'
    made, name = csv_file(content({"title": title, "count": 3, "share": 0.25}, {}))
    assert name == "demo-read-24h-20261123T011704Z.csv"
    assert made.startswith(
        b"\xef\xbb\xbfrank,article_id,count,share,title,url,format,section,published_at\r\n1,/a,3,0.25,"
    )
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
    """In any column, since ids and titles may come from anybody."""
    text = f'{first}HYPERLINK("https://evil.example";A1)'
    fields = ("article_id", "title", "url", "format", "section")
    (row,) = rows(csv_file(content(dict.fromkeys(fields, text)))[0])
    assert [row[field] for field in fields] == [f"'{text}"] * len(fields)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_nothing_is_a_formula_behind_another_separator(separator: str) -> None:
    """Where a comma separates decimals, spreadsheets separate cells by it, in spite of quotes."""
    (row,) = rows(csv_file(content({"article_id": f"/x{separator}=1+1", "title": f"a{separator} =1"}))[0])
    assert (row["article_id"], row["title"]) == (f"/x{separator}'=1+1", f"a{separator} =1")


def test_a_rising_list_has_what_its_places_are_by() -> None:
    made, _ = csv_file(content({"expected": 12.5, "times": 4.2, "sigmas": None}))
    assert rows(made)[0] | {"expected": "12.5", "times": "4.2", "sigmas": ""} == rows(made)[0]


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
