"""The fold's kernel: what is dear per event, compiled (`make kernel`). Without it everything works, slower.

The plain fold of ranker/core is the definition. The kernel folds what is clean, and stops at every record that is
anything else; the plain fold does that one, with the same memory.
"""

from __future__ import annotations

import os
from typing import Final

try:
    from ranker.kernel import _kernel
    from ranker.kernel._kernel import clean_batches, crc_fits, cut, home
except ImportError:  # not built for this machine
    VERSION = ""
else:
    VERSION = _kernel.VERSION

SWITCH: Final = "RANKER_KERNEL"
"""The environment variable that turns it off with "off", for comparisons."""
ON: Final = bool(VERSION) and os.environ.get(SWITCH, "") != "off"
"""Whether the kernel is there and not turned off."""


def named(*, can_read: bool = True) -> str:
    """Which fold runs, for operators. `can_read`: the topic has a form that the kernel reads (kernel/shape.py)."""
    if ON and not can_read:
        return "the plain fold runs: of [source] the kernel reads fields at the top level of JSON alone"
    if ON:
        return f"the kernel folds (version {VERSION})"
    if VERSION:
        return f"the plain fold runs: {SWITCH} turns the kernel off"
    return "the plain fold runs, at a fraction of the speed: the kernel is not built (make kernel, which needs cargo)"


__all__ = ["ON", "SWITCH", "VERSION", "clean_batches", "crc_fits", "cut", "home", "named"]
