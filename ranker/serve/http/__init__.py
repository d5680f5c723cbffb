"""Bytes: the protocol on the socket, answers kept in memory, problem details."""
