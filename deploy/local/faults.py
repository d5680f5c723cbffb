"""What can go wrong on the way to a running server, in words for the person at the terminal."""


class LocalFault(Exception):  # noqa: N818  # it is what went wrong, and reads so where it is raised
    """One clear sentence about what failed, and the fix. Shown as it stands, without a traceback."""


class MissingTool(LocalFault):
    """A program or package that is not on this machine; the text says how to get it. Tests skip with it."""
