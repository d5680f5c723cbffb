"""Why a request is not taken."""

from __future__ import annotations

from typing import Any


class RefusedError(Exception):
    """Ends a request with `status`; `reason` is its label in the metrics, `detail` a sentence for the caller.

    `retry_s`: when to come again. `rejected`: every event with its fault.
    """

    def __init__(
        self, status: int, reason: str, detail: str, *, retry_s: int | None = None, rejected: list[Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.retry_s = retry_s
        self.rejected = rejected
