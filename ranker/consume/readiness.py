"""Why a partition is not counted as it should be, as sentences for /readyz; "" if it is."""

from __future__ import annotations

from ranker.consume.worker import Worker
from ranker.core.watermark import age_ms


def why_not(worker: Worker) -> str:
    """What its worker waits for, or why it has stopped."""
    if worker.stopped is not None:
        return str(worker.stopped)
    if not worker.is_open:
        why = f": {worker.waiting}" if worker.waiting else ""
        return f"partition {worker.partition} is being opened{why}"
    if worker.schema_wait.why:
        return f"partition {worker.partition} waits: {worker.schema_wait.why}"
    if worker.waits_for_clock:
        return (
            f"partition {worker.partition}: no record has come for longer than ten minutes, and this process "
            "has watched its clock for less: T stands until a record comes or ten minutes are over"
        )
    if worker.is_refused:
        return f"partition {worker.partition}: Redis is out of memory, so views wait; raise maxmemory"
    return ""


def ahead(worker: Worker, wall_ms: int) -> str:
    """Whether its T lies in the future, which only wrong clocks can cause."""
    age = 0 if worker.known is None else age_ms(wall_ms, worker.known[1])
    if age >= 0:
        return ""
    return (
        f"partition {worker.partition}: T lies {-age // 1000} s ahead of the clocks of this machine and of Redis, "
        "so lists are not complete until they have reached it; to count anew from the log instead, raise epoch in "
        "ranker.toml, start the consumers, and make that generation the active one (ranker generations activate)"
    )
