"""What is given to `ranker verify` in the place of a receipt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ranker.commands import main
from ranker.recount.receipts import Given, Item, NoReceiptError, ranked, read


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"a"', "null", "{}", '{"items": []}', "\x00", "[" * 100_000, '{"receipt": {"rows": 1}}']
)
def test_what_is_no_receipt_says_what_to_do(text: str, tmp_path: Path) -> None:
    file = tmp_path / "none.json"
    file.write_text(text)
    run = CliRunner().invoke(main, ["verify", str(file)])
    assert run.exit_code == 1
    assert "?receipt=true" in run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize("options", [["--site", "demo"], ["--partition", "0"], ["--metrics", "x"]])
def test_a_receipt_says_itself_what_is_verified(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{}")
    run = CliRunner().invoke(main, ["verify", str(tmp_path / "r.json"), *options])
    assert run.exit_code == 2
    assert "leave out" in run.output


def test_equal_counts_stand_in_the_order_of_bytes_and_aliases_are_summed() -> None:
    counts = {"/é": 2, "/z": 2, "/old": 3, "/new": -1, "/gone": -1, "/zero": 0}
    assert ranked(counts, {"/old": "/new"}) == [("/é", 2), ("/z", 2), ("/new", 2)]


PART = {"partition": 0, "lineage": "a", "n0": 0, "n": 3, "floors": [1, 2]}
RECEIPT = {
    "version": 1, "site": "demo", "board": "read", "window": "24h", "topic": "t", "generation": "0123456789ab",
    "rules": [], "partitions": [PART], "aliases": {}, "hidden": [], "rows": 2, "sha256": "0" * 64,
}  # fmt: skip
ANSWER = {"site": "demo", "board": "read", "window": {"name": "24h"}, "total": 9, "receipt": RECEIPT}


def test_items_of_longer_windows_are_not_of_this_list() -> None:
    items = [
        {"rank": 1, "article_id": "/a", "count": 3, "origin": "24h"},
        {"rank": 2, "article_id": "/b", "count": 9, "origin": "7d"},
        {"rank": 3, "article_id": "/c", "count": None},
    ]
    given = read(json.dumps({**ANSWER, "items": items}).encode())
    assert given.items == [Item(1, "/a", 3), Item(3, "/c", None)]
    assert (given.total, given.is_plain, given.receipt.partitions[0].floors) == (9, False, (1, 2))
    assert read(json.dumps(RECEIPT).encode()) == Given(given.receipt, [], None, is_plain=False)


@pytest.mark.parametrize(
    "items",
    [
        "x", None, 5, ["odd"], [{}], [{"rank": 1, "article_id": 4, "count": 4}],
        [{"rank": 1, "article_id": "/a", "count": "4"}], [{"rank": 1, "article_id": "/a", "count": 4.0}],
        [{"rank": "1", "article_id": "/a", "count": 4}], [{"rank": 1, "article_id": "/a", "count": True}],
        [{"rank": 1, "article_id": "/a", "count": 4}, {"rank": 2, "article_id": "/a", "count": 4}],
    ],
)  # fmt: skip
def test_items_that_are_none_are_refused(items: object) -> None:
    """To compare only those that look right would be no comparison."""
    with pytest.raises(NoReceiptError, match="its items are none"):
        read(json.dumps({**ANSWER, "items": items}).encode())
