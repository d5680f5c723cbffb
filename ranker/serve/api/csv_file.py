"""A list as CSV (RFC 4180), in UTF-8 with a byte order mark, for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

COLUMNS = ("rank", "article_id", "count", "share", "title", "url", "format", "section", "published_at")
OF_RISING = ("expected", "times", "sigmas")
_FORMULA = re.compile("(^|[;\t])(?=[=+\\-@\t\r\n\uff0b\uff0d\uff1d\uff20])")
"""Where a cell begins with what a spreadsheet would run (OWASP, CSV injection); the last four are the wide + - = @.

Behind a semicolon or tab too: a French spreadsheet takes them for separators, within quotes as well.
"""
_BOM = "\ufeff"
"""Without it spreadsheets on Windows take UTF-8 for something else."""


def csv_file(content: Mapping[str, Any]) -> tuple[bytes, str]:
    """The items of a list (the API's JSON), one a row below the names of the columns, and the file's name.

    `origin` is the last column if longer lists fill this one up. What is not known or not shown is empty. A text that
    a spreadsheet would run has an apostrophe before it. A rising list has what its places are by.
    """
    rising = OF_RISING if any("sigmas" in item for item in content["items"]) else ()
    columns = (*COLUMNS, *rising, *(("origin",) if "fallback" in content else ()))
    written = io.StringIO(_BOM, newline="")
    written.seek(0, io.SEEK_END)
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(item[column]) for column in columns] for item in content["items"])
    return written.getvalue().encode(), f"{_name(content)}.csv"


def _cell(value: str | float | None) -> str | float | None:
    return _FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def _name(content: Mapping[str, Any]) -> str:
    """Which list, as of when; a file outlives the answer's other fields, so it says if it is not complete."""
    as_of = re.sub(r"[-:]|\.\d+", "", content["as_of"])
    name = f"{content['site']}-{content['board']}-{content['window']['name']}-{as_of}"
    return name if content["complete"] else f"{name}-incomplete"
