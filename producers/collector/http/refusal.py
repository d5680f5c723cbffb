"""Why a request is not taken."""

from __future__ import annotations

from typing import Any

from ranker.service.problems import ProblemError

MAX_REJECTED = 20
"""If no event of a request is accepted, the answer names so many with their faults."""


class RefusedError(ProblemError):
    """Ends a request with `status`; `reason` is its label in the metrics, `detail` a sentence for the caller.

    `retry_s`: when to come again. `rejected`: every event with its fault.
    """

    def __init__(
        self, status: int, reason: str, detail: str, *, retry_s: int | None = None, rejected: list[Any] | None = None
    ) -> None:
        headers = {} if retry_s is None else {"retry-after": str(retry_s)}
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        more: dict[str, Any] = {}
        if rejected:
            more["rejected"] = rejected[:MAX_REJECTED]
            if len(rejected) > MAX_REJECTED:
                more["more_rejected"] = len(rejected) - MAX_REJECTED
        super().__init__(status, detail, headers=headers, **more)
        self.reason = reason
