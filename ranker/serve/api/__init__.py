"""Requests for lists and articles: parsed, and answered from what is shown."""
