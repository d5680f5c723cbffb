"""Invented traffic for a demonstration or a load test."""
