"""Free ports on 127.0.0.1."""

import contextlib
import random
import socket
import sys

HOST = "127.0.0.1"

# Below the range from which Linux takes the ports of outgoing connections (32768 on): a port found free stays free
# until the server that is to have it has started, unless another launcher draws the same one.
RANGE = range(15_000, 32_000)

_given: set[int] = set()
_claims: dict[int, socket.socket] = {}


def is_free(port: int, host: str = HOST) -> bool:
    with socket.socket() as probe:
        # Servers set this too; without it a port that a server has just left counts as taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((host, port))
            return True
    return False


def claim(port: int) -> bool:
    """Say whether `port` is free, and keep it, as long as this process lives, from others that ask in this way.

    Between this and the start of the server that is to have the port lie seconds, in which a second launcher would find
    it free as well. The name below is the kernel's (Linux only), which forgets it with the process.
    """
    if sys.platform == "linux" and port not in _claims:
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0popularity-ranker/port/{port}")
        except OSError:
            mark.close()
            return False
        _claims[port] = mark
    return is_free(port)


def is_listening(port: int, host: str = HOST) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1.0):
        return True
    return False


def free_port() -> int:
    """Return a port that is free now and that this process has not been given before."""
    while True:
        port = random.choice(RANGE)  # noqa: S311  # not a secret
        if port not in _given and is_free(port):
            _given.add(port)
            return port
