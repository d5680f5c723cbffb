"""Processes that hold a spool, started, and their output."""

import asyncio
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def start(directory: Path, *words: object) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tests.support.spool_process", str(directory), *map(str, words)]
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


async def talk(directory: Path, *words: object) -> tuple[int, list[str]]:
    """A process's exit code and output."""
    process = await asyncio.to_thread(start, directory, *words)
    said, _ = await asyncio.to_thread(process.communicate)
    return process.returncode, said.splitlines()
