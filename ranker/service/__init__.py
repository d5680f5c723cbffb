"""Plumbing that every process has. producers may import this package and schemas, nothing else of ranker."""
