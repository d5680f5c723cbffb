"""Bytes: what the port allows, answers kept in memory, problem details."""
