"""The API's description as one HTML page, in the order of schemas/openapi.yaml.

`python -m tests.support.docs_page` writes the page that is served at /docs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import orjson
from markdown_it import MarkdownIt

from tests.support.openapi import SPEC

PAGE = Path(__file__).parents[2] / "ranker/serve/pages/docs/index.html"

Node = Mapping[str, Any]

_markdown = MarkdownIt("commonmark", {"html": False})
_METHODS = ("get", "options")
_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "matches {}",
    "default": "default {}",
}


def page(spec: Node) -> str:
    """The whole page. `spec` is trusted: it is the project's own file; text is escaped all the same."""
    return "".join(_Page(spec).parts())


class _Page:
    def __init__(self, spec: Node) -> None:
        self._spec = spec

    def parts(self) -> Iterator[str]:
        info = self._spec["info"]
        title = escape(info["title"])
        yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · API</title>'
        yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
        yield '<meta name="color-scheme" content="light dark">'
        yield '<link rel="icon" href="/page/docs/icon.svg" type="image/svg+xml">'
        yield '<link rel="stylesheet" href="/docs/docs.css"></head><body><header>'
        yield f"<h1>{title}</h1><p>{escape(info['summary'])}</p>"
        yield '<p><a href="/docs/openapi.yaml">openapi.yaml</a> · <a href="/">The page for people</a></p></header>'
        yield f'<div class="columns"><nav aria-label="Contents">{"".join(self._contents())}</nav>'
        yield f"<main>{_text(info)}"
        for tag in self._spec["tags"]:
            yield f"<h2>{escape(tag['name'])}</h2>{_text(tag)}"
            for path, method, item in self._operations(tag["name"]):
                yield from self._operation(path, method, item)
        yield "<h2>Read tokens</h2>"
        yield from (_text(scheme) for scheme in self._spec["components"]["securitySchemes"].values())
        yield "<h2>Schemas</h2>"
        for name, schema in self._spec["components"]["schemas"].items():
            yield f'<section id="{escape(name)}"><h3>{escape(name)}</h3>{_text(schema)}'
            yield from self._fields(schema)
            yield "</section>"
        yield "</main></div></body></html>"

    def _operations(self, tag: str) -> Iterator[tuple[str, str, Node]]:
        for path, item in self._spec["paths"].items():
            yield from ((path, method, item) for method in _METHODS if tag in item.get(method, {}).get("tags", ()))

    def _contents(self) -> Iterator[str]:
        for tag in self._spec["tags"]:
            yield f"<p>{escape(tag['name'])}</p><ul>"
            for path, method, item in self._operations(tag["name"]):
                if method == "get":
                    yield f'<li><a href="#{_anchor(path, method)}">{escape(item[method]["summary"])}</a></li>'
            yield "</ul>"
        yield "<p>Schemas</p><ul>"
        yield from (f'<li><a href="#{escape(n)}">{escape(n)}</a></li>' for n in self._spec["components"]["schemas"])
        yield "</ul>"

    def _operation(self, path: str, method: str, item: Node) -> Iterator[str]:
        operation = item[method]
        # A browser's request is the same everywhere: described where it first occurs.
        if method == "options" and any(operation is other.get(method) for other in self._before(path)):
            return
        yield f'<section id="{_anchor(path, method)}"><h3>{escape(operation["summary"])}</h3>'
        yield f"<p><code><b>{method.upper()}</b> {escape(path)}</code></p>{_text(operation)}"
        parameters = [self._at(one) for one in (*item.get("parameters", ()), *operation.get("parameters", ()))]
        if parameters:
            yield "<table><thead><tr><th>Parameter<th>In<th>Type<th>Meaning</thead><tbody>"
            for one in parameters:
                name = f"<code>{escape(one['name'])}</code>{' (required)' * one.get('required', False)}"
                yield f"<tr><td>{name}<td>{escape(one['in'])}<td>{self._type(one['schema'])}<td>{_text(one)}"
            yield "</tbody></table>"
        for status, response in operation["responses"].items():
            yield from self._response(status, self._at(response))
        yield "</section>"

    def _before(self, path: str) -> Iterator[Node]:
        for other, item in self._spec["paths"].items():
            if other == path:
                return
            yield item

    def _response(self, status: str, response: Node) -> Iterator[str]:
        yield f"<details><summary><b>{escape(status)}</b> {escape(response['description'].strip())}</summary>"
        headers = {name: self._at(header) for name, header in response.get("headers", {}).items()}
        if headers:
            yield "<table><thead><tr><th>Header<th>Meaning</thead><tbody>"
            yield from (f"<tr><td><code>{escape(n)}</code><td>{_text(header)}" for n, header in headers.items())
            yield "</tbody></table>"
        yield _request(response)
        for kind, media in response.get("content", {}).items():
            yield f"<p><code>{escape(kind)}</code>: {self._type(media['schema'])}</p>{_text(media['schema'])}"
            for example in media.get("examples", {}).values():
                yield f"<figure>{_caption(example)}{_request(example)}{_value(example)}</figure>"
        yield "</details>"

    def _fields(self, schema: Node) -> Iterator[str]:
        """A table of an object's fields, those of objects inside it by their path."""
        rows = list(self._rows(schema, ""))
        if rows:
            yield f"<table><thead><tr><th>Field<th>Type<th>Meaning</thead><tbody>{''.join(rows)}</tbody></table>"
        else:
            yield f"<p>{self._type(schema)}</p>"

    def _rows(self, schema: Node, above: str) -> Iterator[str]:
        for name, field in schema.get("properties", {}).items():
            optional = "" if name in schema.get("required", ()) else " (optional)"
            yield f"<tr><td><code>{escape(above + name)}</code>{optional}<td>{self._type(field)}<td>{_text(field)}"
            for inner in _inner(field):
                yield from self._rows(inner, f"{above}{name}.")

    def _type(self, schema: Node) -> str:
        """What a value may be, in a phrase, as HTML."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return f'<a href="#{escape(name)}">{escape(name)}</a>'
        if "const" in schema:
            return f"<code>{escape(_json(schema['const']))}</code>"
        if "enum" in schema:
            return ", ".join(f"<code>{escape(_json(value))}</code>" for value in schema["enum"])
        if "oneOf" in schema:
            return " or ".join(self._type(one) for one in schema["oneOf"])
        kinds = schema.get("type", "anything")
        phrase = escape(kinds if isinstance(kinds, str) else " or ".join(kinds))
        if kinds == "array":
            phrase = f"array of {self._type(schema['items'])}"
        for bound, words in _BOUNDS.items():
            if bound in schema:
                value = schema[bound] if bound == "pattern" else _json(schema[bound])
                phrase += ", " + escape(words).format(f"<code>{escape(value)}</code>")
        return phrase

    def _at(self, node: Node) -> Node:
        """What a reference points to."""
        if "$ref" not in node:
            return node
        target: Any = self._spec
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        found: Node = target
        return found


def _inner(schema: Node) -> Iterator[Node]:
    """The schema, and those of its entries and alternatives: where further fields may be."""
    yield schema
    for inside in (*schema.get("oneOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from _inner(inside)


def _anchor(path: str, method: str) -> str:
    return escape(f"{method}{path}".replace("{", "").replace("}", "").replace("/", "-"))


def _text(node: Node) -> str:
    made: str = _markdown.render(node.get("description", ""))
    return made


def _caption(example: Node) -> str:
    summary = example.get("summary")
    return f"<figcaption>{escape(summary)}</figcaption>{_text(example)}" if summary else ""


def _request(node: Node) -> str:
    """The request of an example; one that a link can make is a link."""
    request = node.get("x-request")
    if request is None:
        return ""
    target = escape(request["target"])
    lines = "".join(f"\n{escape(name)}: {escape(value)}" for name, value in request.get("headers", {}).items())
    plain = set(request) == {"target"}
    shown = f'<a href="{target}">{target}</a>' if plain else target
    return f"<pre><b>{request.get('method', 'GET')}</b> {shown}{lines}</pre>"


def _value(example: Node) -> str:
    if "value" not in example:
        return ""
    value = example["value"]
    text = (
        value.replace("\r\n", "\n")
        if isinstance(value, str)
        else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    )
    return f'<pre tabindex="0">{escape(text)}</pre>'


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


if __name__ == "__main__":
    PAGE.write_text(page(SPEC), "utf-8")
