"""The page for people, at /."""

from ranker.serve.pages.front.frontpage import Page

__all__ = ["Page"]
