"""Days and weeks for people: a page, a mail, a text, feeds, the archive; all from the JSON that is delivered."""

from ranker.serve.pages.best_of.routes import BestOfPages

__all__ = ["BestOfPages"]
