"""Feeds, sitemaps and JSON lines as articles of the catalogue."""
