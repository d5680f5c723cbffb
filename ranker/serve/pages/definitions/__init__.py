"""The text of every rule in force, for people."""

from ranker.serve.pages.definitions.definitions import Definitions

__all__ = ["Definitions"]
