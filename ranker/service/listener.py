"""The socket that a server listens on, bound before its work begins."""

from __future__ import annotations

import socket

BACKLOG = 2_048


class PortTakenError(OSError):
    """The port cannot be bound; the message is a sentence with the fix."""


def bind(host: str, port: int, option: str) -> socket.socket:
    """A socket that listens; `port` 0 takes any free one. Raises PortTakenError, which names `option`."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # from here on a connection waits for the server instead of being refused
    except (OSError, OverflowError, TypeError, UnicodeError) as error:  # the last two: a name that none can have
        listener.close()
        raise PortTakenError(
            f"port {host}:{port} cannot be bound ({error}); choose another with {option}, 0 for any"
        ) from error
    listener.setblocking(False)
    return listener
