"""A schema registry for tests: the part of Confluent's API that is read, from memory. No registry is on PyPI for here."""

from __future__ import annotations

import base64
import json
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import fastavro


def framed(number: int, schema: Any, record: Any) -> bytes:
    """A value as Confluent's serializer writes it: times are the numbers that stand for them."""
    stream = BytesIO(struct.pack(">bI", 0, number))
    stream.seek(5)
    fastavro.schemaless_writer(
        stream, fastavro.parse_schema(json.loads(json.dumps(schema).replace('"logicalType"', '"meaning"'))), record
    )
    return stream.getvalue()


class SchemaRegistry:
    """Replies from `schemas` (by number) and `subjects` (by name and version); both may change while it runs.

    `status` is what it replies with instead; `login` is user and password if it wants them. `requests` are the paths.
    If it `breaks_off`, a reply ends before it is whole.
    """

    def __init__(self, login: tuple[str, str] | None = None) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[tuple[str, int], dict[str, Any]] = {}
        self.login = login
        self.status = 200
        self.breaks_off = False
        self.body: bytes | None = None
        self.location: str | None = None
        self.requests: list[str] = []
        self.url = ""

    def add(self, number: int, schema: object, **more: Any) -> None:
        """`more` are other fields of the reply, such as references."""
        self.schemas[number] = {"schema": json.dumps(schema), **more}

    def refer(self, subject: str, version: int, schema: object, **more: Any) -> None:
        """A schema that others refer to."""
        self.subjects[subject, version] = {"schema": json.dumps(schema), **more}

    def reply(self, path: str) -> tuple[int, bytes]:
        _, kind, *rest = path.split("/")
        found: dict[str, Any] | None = None
        if kind == "schemas" and rest[0] == "ids":
            found, code = self.schemas.get(int(rest[1])), 40403
        elif kind == "subjects":
            found, code = self.subjects.get((rest[0].replace("%2F", "/"), int(rest[2]))), 40402
        else:
            return 404, b"<html>404</html>"
        if found is None:
            return 404, json.dumps({"error_code": code, "message": "not found"}).encode()
        return 200, json.dumps(found).encode()


@contextmanager
def serving(registry: SchemaRegistry, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[SchemaRegistry]:
    """On a port of its own, in threads of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.requests.append(self.path)
            status, body = registry.reply(self.path)
            if registry.login is not None:
                expected = base64.b64encode(":".join(registry.login).encode()).decode()
                if self.headers.get("Authorization") != f"Basic {expected}":
                    status, body = 401, b'{"error_code":401,"message":"Unauthorized"}'
            if registry.status != 200:
                status, body = registry.status, b"{}"
            body = registry.body if registry.body is not None else body
            self.send_response(status)
            if registry.location is not None:
                self.send_header("Location", registry.location)
            if registry.breaks_off:
                self.send_header("Transfer-Encoding", "chunked")
                body = b"1000\r\n" + body
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that it has there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    host = "localhost" if tls is not None else "127.0.0.1"
    registry.url = f"http{'s' if tls is not None else ''}://{host}:{server.server_address[1]}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
