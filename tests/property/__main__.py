"""`python -m tests.property --seeds N`: many histories, on all cores; the report is for docs/reports/."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections import Counter
from datetime import UTC, datetime

from tests.property.history import PROFILES
from tests.property.machine import Report, run
from tests.property.memory import MemoryServer


def history(seed: int) -> Report:
    report = run(seed, MemoryServer)
    report.trace.clear()
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300, help="how many histories (default 300)")
    parser.add_argument("--first", type=int, default=1_000, help="the first seed (default 1000)")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    began = time.perf_counter()
    with multiprocessing.Pool(options.processes) as pool:
        reports = list(pool.imap_unordered(history, seeds))
    failures = [report for report in reports if report.failure is not None]
    print(f"# Random histories against the oracle, {datetime.now(UTC):%Y-%m-%d}\n")
    print(f"`python -m tests.property --seeds {len(seeds)} --first {min(seeds)}`, store in memory, ", end="")
    print(f"{time.perf_counter() - began:.0f} s on {options.processes} processes.\n")
    print("| profile | histories | records | states compared | list comparisons | failed |")
    print("|---|---|---|---|---|---|")
    for number, profile in enumerate(PROFILES):
        mine = [report for report in reports if report.seed % len(PROFILES) == number]
        failed = sum(report.failure is not None for report in mine)
        sums = [sum(getattr(report, name) for report in mine) for name in ("records", "states", "lists")]
        print(f"| {profile.name} | {len(mine)} | {' | '.join(f'{number:,}' for number in sums)} | {failed} |")
    for what, word in (("replies", "Replies of advance"), ("faults", "What was done to them")):
        counts: Counter[str] = Counter()
        for report in reports:
            counts.update(getattr(report, what))
        print(f"\n{word}: " + ", ".join(f"{name} {count:,}" for name, count in counts.most_common()) + ".")
    for report in failures:
        print(f"\nFAILED seed {report.seed}: {report.failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
