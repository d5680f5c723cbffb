"""The embeddable block: a script and, without one, a fragment of HTML."""

from ranker.serve.pages.block.files import Block

__all__ = ["Block"]
