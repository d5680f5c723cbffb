"""What was measured, with when and by what. `python -m tests.bench sizing` measures the tables and the CPU again.

CPU is that of the machine named in docs/reports/size-2026-11-30.md: two cores of an Intel Xeon, shared with other work.
"""

from __future__ import annotations

from typing import NamedTuple


class Constant(NamedTuple):
    """A measured number, its unit, and the report or part of the bench that has it."""

    value: float
    unit: str
    source: str


SEALED_ARTICLES = (1, 5, 20, 50, 100, 300, 1_000, 3_000, 10_000)
SEALED = {
    "words": {
        7: (32.00, 9.40, 5.40, 3.98, 3.49, 3.14, 3.01, 3.08, 2.93),
        12: (36.00, 14.80, 9.90, 7.84, 7.14, 6.37, 5.77, 5.15, 4.75),
        20: (44.00, 22.40, 15.00, 12.76, 11.72, 10.85, 9.81, 8.87, 8.43),
        40: (65.00, 34.20, 24.95, 22.06, 20.44, 18.48, 16.51, 15.52, 14.98),
        60: (83.00, 46.00, 35.40, 32.10, 29.49, 25.93, 23.11, 21.95, 21.45),
        80: (99.00, 57.60, 45.55, 41.04, 37.74, 32.69, 29.66, 28.49, 27.87),
        120: (121.00, 78.80, 64.45, 57.22, 52.82, 45.91, 42.30, 41.12, 40.54),
        200: (167.00, 120.40, 100.25, 88.36, 79.83, 71.47, 67.37, 66.18, 65.49),
    },
    "random": {
        7: (33.00, 14.00, 8.10, 6.16, 5.47, 4.85, 4.70, 4.56, 4.22),
        12: (38.00, 18.00, 11.05, 9.14, 8.42, 7.94, 7.75, 7.64, 7.32),
        20: (46.00, 23.00, 15.65, 13.66, 13.08, 12.73, 12.55, 12.35, 12.06),
        40: (66.00, 34.40, 26.75, 25.36, 25.06, 24.77, 24.57, 24.26, 23.81),
        60: (85.00, 45.40, 38.20, 37.08, 36.80, 36.59, 36.21, 35.66, 35.37),
        80: (97.00, 55.80, 49.30, 48.84, 48.33, 48.39, 47.72, 47.18, 46.87),
        120: (118.00, 77.00, 72.40, 71.96, 71.77, 71.83, 70.55, 69.89, 69.68),
        200: (161.00, 121.80, 118.90, 118.68, 118.48, 117.75, 116.21, 115.55, 115.31),
    },
}
"""Bytes of an article in a sealed slice with so many articles, by the kind and length of ids; one site, one outcome.

Measured on 2026-11-30 by tests/bench/sizing.py, medians of three draws; tests/unit/test_core_sizing.py
draws some again.
"""
HISTORY_PLACES = (5, 20, 50, 200)
HISTORY = {
    "words": {
        7: (5.60, 3.35, 2.60, 2.31),
        12: (11.00, 7.70, 6.46, 5.80),
        20: (17.40, 12.45, 11.22, 10.28),
        40: (28.60, 22.40, 20.08, 18.02),
        60: (39.20, 33.00, 30.06, 25.91),
        80: (51.20, 42.90, 38.98, 32.91),
        120: (72.60, 61.20, 55.52, 46.00),
        200: (112.60, 95.70, 85.44, 71.15),
    },
    "random": {
        7: (9.60, 5.60, 4.72, 4.24),
        12: (12.20, 8.30, 7.46, 7.22),
        20: (17.00, 12.60, 11.98, 11.95),
        40: (27.40, 23.50, 23.24, 23.61),
        60: (38.00, 34.75, 34.82, 35.34),
        80: (48.60, 45.80, 46.58, 47.03),
        120: (70.00, 69.15, 69.92, 70.29),
        200: (114.00, 115.50, 116.42, 117.39),
    },
}
"""Bytes of a place in an entry of the rank history with so many places. Measured in the same way."""
SPARSE = 4
"""core/delta.py: with more than so many cells for each count, a sealed slice has a map instead of columns."""
COLUMN_OUTCOME_BYTES = Constant(
    1.5, "bytes", "an article's further outcome in columns: -4 to 4, tests/bench/sizing.py, 2026-11-30"
)
MAP_OUTCOME_BYTES = Constant(9.0, "bytes", "the same in a map: 6 to 12, tests/bench/sizing.py, 2026-11-30")
SITE_BYTES = Constant(8.0, "bytes", "a further site in a slice, tests/bench/sizing.py, 2026-11-30")
OF_SITES_BYTES = Constant(
    1.5, "bytes", "an article more if slices have several sites: 0.9 to 2.2, tests/bench/sizing.py, 2026-11-30"
)
META_BYTES = Constant(1_800.0, "bytes", "tests/integration/operate/test_size.py, 2026-11-30")
SERVER_BYTES = Constant(
    1.9e6,
    "bytes",
    "an empty Redis 7.0.15 with ten connections (see tests/integration/operate/test_size.py), 2026-11-30",
)
READER_LISTS = 2_000
"""That a reader keeps at most, those that were requested last (serve/live/demand.py)."""
STREAMS = 5_000
"""Of one reader (docs/reports/bench-2026-11-24.md, streams; it refuses the 6,001st)."""
CONSUMER_EVENT_US = Constant(1.6, "us", "docs/reports/bench-2026-11-24.md, backlog")
CONSUMER_KEY_US = Constant(4.6, "us", "tests/bench/steady.py, 2026-11-30")
CONSUMER_INCREMENT_US = Constant(7.5, "us", "tests/bench/steady.py, 2026-11-30")
CONSUMER_STEP_US = Constant(1_300.0, "us", "tests/bench/steady.py, 2026-11-30")
CONSUMER_SHARD_US = Constant(800.0, "us/s", "tests/bench/steady.py, 2026-11-30")
CONSUMER_IDLE_US = Constant(20_000.0, "us/s", "tests/bench/steady.py, 2026-11-30")
CONSUMER_BYTES = Constant(110e6, "bytes", "docs/reports/bench-2026-11-24.md, backlog")
CONSUMER_KEY_BYTES = Constant(15.0, "bytes", "docs/reports/rules-2026-11-29.md")
REDIS_IDLE_US = Constant(9_000.0, "us/s", "tests/bench/steady.py, 2026-11-30")
REDIS_STEP_US = Constant(500.0, "us", "tests/bench/steady.py, 2026-11-30")
REDIS_INCREMENT_US = Constant(3.0, "us", "tests/bench/steady.py, 2026-11-30")
REDIS_KEY_US = Constant(0.2, "us", "docs/reports/rules-cost-2026-11-29.md")
REDIS_SHARD_US = Constant(90.0, "us", "tests/bench/many_lists.py, 2026-11-30")
REDIS_LIST_SHARD_US = Constant(3.3, "us", "tests/bench/many_lists.py, 2026-11-30")
REDIS_LIST_US = Constant(10.0, "us", "tests/bench/many_lists.py, 2026-11-30")
REDIS_PLACE_US = Constant(0.42, "us", "tests/bench/many_lists.py, 2026-11-30")
READER_SHARD_US = Constant(480.0, "us", "tests/bench/many_lists.py, 2026-11-30")
READER_LIST_SHARD_US = Constant(19.0, "us", "tests/bench/many_lists.py, 2026-11-30")
READER_PLACES = (1, 20, 100, 2_000)
READER_LIST_US = (100.0, 150.0, 300.0, 1_900.0)
"""Of a list with so many places, beside its shards; tests/bench/many_lists.py, 2026-11-30."""
FULL_ROUND = 100
"""Lists with fewer places cost less in each shard, in proportion."""
READER_REQUEST_US = Constant(28.1, "us", "docs/reports/bench-2026-11-24.md, reader")
READER_STREAM_US = Constant(29.5, "us", "docs/reports/bench-2026-11-24.md, streams")
READER_BYTES = Constant(56.2e6, "bytes", "docs/reports/bench-2026-11-24.md, start")
READER_ARTICLE_BYTES = Constant(600.0, "bytes", "docs/reports/bench-2026-11-24.md, start")
READER_SHARD_BYTES = Constant(30_000.0, "bytes", "tests/bench/many_lists.py, 2026-11-30")
READER_LIST_BYTES = Constant(12_000.0, "bytes", "tests/bench/many_lists.py, 2026-11-30")
READER_PLACE_BYTES = Constant(380.0, "bytes", "tests/bench/many_lists.py, 2026-11-30")
READER_STREAM_BYTES = Constant(29_700.0, "bytes", "docs/reports/bench-2026-11-24.md, streams")
COLLECTOR_EVENT_US = Constant(105.0, "us", "docs/reports/bench-2026-11-24.md, collect")
COLLECTOR_BYTES = Constant(58.4e6, "bytes", "docs/reports/size-2026-11-30.md, collector")
