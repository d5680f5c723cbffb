"""The version: here and nowhere else. pyproject.toml reads it, and every process tells it."""

VERSION = "0.2.0.dev0"
