"""Faults put into the kernel's source: each has to be seen by comparing it with the plain code (tests/property).

They are in kernel_records.py, kernel_folds.py and kernel_columns.py.

`python -m tests.mutants.kernel LIBRARY`: compares until the library's differs; exit status 1 then.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import NamedTuple


class Mutant(NamedTuple):
    """`old` stands in `file` once; `new` takes its place."""

    what: str
    file: str
    old: str
    new: str


def main(library: str, seeds: int = 3_000) -> None:
    """Raises SystemExit: 1 as soon as both differ, or the kernel fails, else 0."""
    spec = importlib.util.spec_from_file_location("ranker.kernel._kernel", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ranker.kernel._kernel"] = module
    spec.loader.exec_module(module)
    from ranker.kernel.fold import KernelFold
    from ranker.kernel.memory import KernelMemory
    from tests.property import chunks, clean_batches, columns, kernel, sequence_forms

    for seed in range(seeds):
        try:
            kernel.check(seed)
            kernel.check(seed, is_foreign=True)
            clean_batches.check(seed)
            sequence_forms.check(seed)
            columns.check(seed)
            if seed % 3 == 0:
                chunks.check(seed, KernelFold, KernelMemory)
        except Exception as error:
            raise SystemExit(1) from error
    raise SystemExit(0)


if __name__ == "__main__":
    main(sys.argv[1])
