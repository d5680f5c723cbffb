"""What can be taken from receiving Kafka's frames where they stay."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

_FRAMES = "ranker.log.frames:Frames"

FRAMES = (
    Mutant("the room moves without what it holds", f"{_FRAMES}.get_buffer", "room[:A] = B", "pass"),
    Mutant("what is taken stays", f"{_FRAMES}.take", "A += B", "pass"),
    Mutant("a pause has no end", f"{_FRAMES}.come", "A.resume_reading()", "None"),
    Mutant("no pause", f"{_FRAMES}.buffer_updated", "A.pause_reading()", "None"),
    Mutant("nobody is told", f"{_FRAMES}.buffer_updated", "A >= B", "A > B"),
    Mutant("what is held is let go of", f"{_FRAMES}.let_go", "A == B and C", "C"),
    Mutant("a frame begins anew", "ranker.log.frames:Frame.read", "A += B", "pass"),
)
