"""The admin port: /healthz, /readyz and /metrics, apart from anything public."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, make_asgi_app

from producers.collect.answers import Answer, json, send_answer


def application(registry: CollectorRegistry, not_ready: Callable[[], list[str]]) -> Any:
    """An ASGI application. `not_ready` is asked at every request, and says why not, as sentences."""
    metrics = make_asgi_app(registry)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/metrics":
            await metrics(scope, receive, send)
        else:
            await send_answer(_answer(scope["path"]), send)

    def _answer(path: str) -> Answer:
        if path == "/healthz":
            return json(200, {"status": "ok"})
        if path == "/readyz":
            reasons = not_ready()
            return json(503 if reasons else 200, {"ready": not reasons, "reasons": reasons})
        return json(404, {"error": "this port answers /healthz, /readyz and /metrics"})

    return app
