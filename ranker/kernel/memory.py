"""The memory of rules, with its keys in the kernel: `Memory` of core/memory.py is the definition."""

from __future__ import annotations

from ranker.core.key_set import KEY_BYTES
from ranker.core.memory import Memory, MemoryChange
from ranker.core.rules import Rules
from ranker.kernel import _kernel


class KernelMemory(Memory):
    """For both folds: the kernel's, and the plain one for what the kernel declines."""

    def __init__(self, rules: Rules, at: tuple[str, int] | None = None, latest_ms: int = 0, first: int = 0) -> None:
        self.at = at
        self._stored = latest_ms, first
        self._sent = None
        self.buckets = _kernel.Buckets(rules.per_ms, rules.grace_ms, rules.max_keys, latest_ms, first)
        self.expect = self.buckets.expect  # type: ignore[method-assign]
        self.hold = self.buckets.hold  # type: ignore[method-assign]
        self.keys_at = self.buckets.keys_at  # type: ignore[method-assign,assignment]
        self.passed = self.buckets.passed  # type: ignore[method-assign]

    def take_change(self) -> MemoryChange:
        return MemoryChange(*self.buckets.take_change())

    def stored(self, change: MemoryChange | None, at: tuple[str, int]) -> None:
        self.at, self._sent = at, None
        if change is None:
            return
        for bucket, keys in change.keys.items():
            self.buckets.stored(bucket, len(keys) // KEY_BYTES)
        for bucket in change.gone:
            self.buckets.gone(bucket)
        self._stored = change.latest_ms, change.first

    def drop_pending(self) -> None:
        self._sent = None
        self.buckets.drop_pending(*self._stored)

    @property
    def size(self) -> int:
        return self.buckets.size

    @property
    def bytes(self) -> int:
        return self.buckets.bytes
