"""Items of several streams, in the order of their times, with few streams open at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")

Timed = Iterator[tuple[int, Item]]
"""(time in ms, item), in the order of the stream."""


def in_time_order(streams: Sequence[tuple[int, Callable[[], Timed[Item]]]]) -> Iterator[Item]:
    """Merges streams, each given as (its first time, what opens it), by the times of their items.

    A stream is opened when its time has come, so that of files that follow each other one is open at a time. Each one
    keeps its own order: an item waits only for items of other streams.
    """
    waiting = sorted(range(len(streams)), key=lambda at: (streams[at][0], at), reverse=True)
    heap: list[tuple[int, int, Item, Timed[Item]]] = []
    while waiting or heap:
        while waiting and (not heap or streams[waiting[-1]][0] <= heap[0][0]):
            at = waiting.pop()
            stream = streams[at][1]()
            for at_ms, item in stream:
                heapq.heappush(heap, (at_ms, at, item, stream))
                break
        if not heap:
            continue
        _, at, item, stream = heap[0]
        until_ms = min([streams[waiting[-1]][0]] if waiting else [], default=None)
        others = [one[0] for one in heap[1:3]]
        limit = min([*others, *([] if until_ms is None else [until_ms])], default=None)
        yield item
        for at_ms, item in stream:
            if limit is not None and at_ms >= limit:
                heapq.heapreplace(heap, (at_ms, at, item, stream))
                break
            yield item
        else:
            heapq.heappop(heap)
