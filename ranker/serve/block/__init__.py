"""The embeddable block: a script and, without one, a fragment of HTML."""

from ranker.serve.block.files import Block

__all__ = ["Block"]
