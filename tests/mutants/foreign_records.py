"""What can be taken from the reading of foreign records, in the engine and in the second count: the other one differs."""

from __future__ import annotations

from tests.mutants.catalogue import Mutant

_MAPPED, _REGISTERED = "ranker.recount.mapped:Mapped", "ranker.recount.registered"
_TRANSLATE, _SHAPE, _DECODER, _FRAMED = (f"ranker.core.{name}" for name in ("translate", "shape", "decoder", "framed"))


def _records(name: str, where: str, old: str, new: str) -> Mutant:
    return Mutant(name, where, old, new, "records")


def _avro(name: str, where: str, old: str, new: str) -> Mutant:
    return Mutant(name, where, old, new, "avro")


FOREIGN = (
    _records("numbers stay numbers", f"{_TRANSLATE}:as_text", "type(A) is int", "False"),
    _records("any method", f"{_TRANSLATE}:filters", "frozenset(A.methods)", "frozenset(('GET', 'POST'))"),
    _records("no status is passed over", f"{_TRANSLATE}:_one_of", "A if B in C else D", "A"),
    _records("the whole match is the id", f"{_TRANSLATE}:with_pattern", "A[1]", "A[0]"),
    _records("the pattern is anchored", f"{_TRANSLATE}:with_pattern", "re.compile(A).search", "re.compile(A).match"),
    _records("what does not match counts", f"{_TRANSLATE}:with_pattern", "A if B else 'pattern'", "A"),
    _records("a constant type is passed over", f"{_TRANSLATE}:filters", "{A} if A else set()", "set()"),
    _records("absent is no fault", f"{_TRANSLATE}:present", "getattr(A, B) is None", "False"),
    _records("bots are persons", f"{_TRANSLATE}:with_agent_class", "A and B", "False"),
    _records("agents of any length", f"{_TRANSLATE}:with_agent_class", "A[:_LONGEST_AGENT]", "A"),
    _records("null stands for a required part", f"{_SHAPE}:Nested._object", "A if B else C", "C"),
    _records("null on the way is a fault", f"{_SHAPE}:_value", "A is None", "False"),
    _records("the first header holds", f"{_DECODER}:_beside", "each == header", "each == header and found is None"),
    _records("a constant is not for what is absent", f"{_SHAPE}:leaves", "A.constants.get(B, C)", "C"),
    _records("filters look at what is no JSON", f"{_FRAMED}:content_of", "schema_of(A)", "None"),
    _records("pattern before method", f"{_MAPPED}.read", "A._look(B)", "None"),
    _records("the second count: a name stands once", f"{_MAPPED}._walk", "pairs(A)", "A.items()"),
    _records("the second count: the first group stays", f"{_MAPPED}._forget", "A.pop(B, None)", "None"),
    _records("the second count: nothing is needed", f"{_MAPPED}._is_needed", "A in B._needed and C", "False"),
    _records("the second count: lists are objects", f"{_MAPPED}._walk", "isinstance(A, int)", "False"),
    _records("the second count: ids as they are", f"{_MAPPED}._ours", "A._rules is not None", "False"),
    _records("the second count: any text in a header", f"{_MAPPED}._read_beside", "A if is_number else B", "B"),
    _avro("more bytes than the schema says", f"{_FRAMED}:AvroValues.__call__", "A.tell() != len(B)", "False"),
    _avro("a schema says no unit", f"{_FRAMED}:_parsed", "A if B is None else C", "A"),
    _avro(
        "the unit is that of the first branch",
        "ranker.core.avro_schema:unit_of",
        "A if B else None",
        "max(found - {None}, default=None)",
    ),
    _avro("null is no default", f"{_DECODER}:_or_default", "A if B is None else B", "B"),
    _avro("the second count: no union", f"{_REGISTERED}:_meanings", "isinstance(A, list)", "False"),
    _avro("the second count: more bytes", f"{_REGISTERED}:Registered.read", "A.read(1)", "False"),
)
