"""Free ports on 127.0.0.1."""

import contextlib
import random
import socket

HOST = "127.0.0.1"

# Below the range from which Linux takes the ports of outgoing connections (32768 on): a port found free stays free
# until the server that is to have it has started, unless another launcher draws the same one.
RANGE = range(15_000, 32_000)

_given: set[int] = set()


def is_free(port: int, host: str = HOST) -> bool:
    with socket.socket() as probe:
        # Servers set this too; without it a port that a server has just left counts as taken for a minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((host, port))
            return True
    return False


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
