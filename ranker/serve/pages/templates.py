"""The templates of pages and fragments. All text is escaped; a name that is not known is an error."""

from __future__ import annotations

from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined


class _Environment(Environment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """A dictionary's keys come before its methods: `words.clear` is a word."""
        return self.getitem(obj, attribute)


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


environment = _Environment(
    loader=PackageLoader("ranker.serve", "pages"), autoescape=True, undefined=StrictUndefined, auto_reload=False
)
environment.policies |= {"json.dumps_function": _dumps, "json.dumps_kwargs": {}}
