"""Becomes another program that dies with the process that started it: `python shim.py PARENT_PID PROGRAM ARGUMENT…`.

The kernel's parent-death signal outlives exec (of a program that is not setuid) and needs nobody's help, so it also
works when the parent is killed with -9. Other systems than Linux have no such thing: there the program just runs.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *argv = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # The parent may have died before the call: then nobody would ever signal us.
        if os.getppid() != int(parent):
            os._exit(1)
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    main()
