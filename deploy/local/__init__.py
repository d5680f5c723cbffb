"""Servers and processes of the project's own, on this machine: what `make run` starts and what the tests run against.

Everything here listens on 127.0.0.1 on a free port, keeps its files in a directory of its own that goes with it, and
ends when the process that started it ends, however that one ends.
"""
