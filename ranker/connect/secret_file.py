"""Files that hold a secret: passwords and tokens, which the environment and command lines do not hold."""

from __future__ import annotations

import errno
from pathlib import Path

MOST_BYTES = 1 << 20


def secret(path: str) -> str:
    """The secret in a file, without the end of its last line. Raises OSError, or ValueError with what is wrong."""
    return read(path).decode().rstrip("\r\n")


def secret_fault(variable: str, path: str) -> str | None:
    """Why the file that `variable` names holds no secret, as a sentence with its fix; None if it does.

    `path` is not repeated: somebody may have written the secret itself there.
    """
    try:
        text = secret(path)
    except OSError as error:
        return (
            f"{variable}: cannot be read ({error.strerror}); name a file that this user may read, not the secret itself"
        )
    except ValueError:  # its text repeats what is in the file
        return f"{variable}: the file is not UTF-8 of at most {MOST_BYTES >> 20} MiB; write the secret into it, as text"
    if not text or "\n" in text:
        return f"{variable}: the file has {'several lines' if text else 'nothing in it'}; write the secret on one line"
    return None


def read(path: str) -> bytes:
    """The bytes of a file. Raises OSError, or ValueError if it is too large to be meant."""
    place = Path(path)
    if place.is_fifo():  # `<(command)` of a shell: each client reads the file again
        raise OSError(errno.EINVAL, "it is a pipe, which can be read once only")
    with place.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError("too large")
    return data
