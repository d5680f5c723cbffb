"""deploy/redis-acl/users.sh: the passwords that the processes read, and no commands at all if one file has none."""

import re
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from ranker.connect import secret_file

USERS = Path(__file__).parents[2] / "deploy" / "redis-acl" / "users.sh"


def users(*words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    ended = subprocess.run([USERS, *words], capture_output=True, text=True)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("text", ["hush", "hush\n", "hush\r\n\r\n", " mot de passe \n", "p%s*$(x)`\\n'\"é\n"])
def test_the_password_is_the_one_that_processes_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a password"
    file.write_bytes(text.encode())
    code, printed, _ = users("cluster", f"consumer={file}", f"reader={file}")
    found = re.findall(r"^ACL SETUSER (\w+) reset on #(\w+) .*\+ping", printed, re.MULTILINE)
    digest = sha256(secret_file.secret(str(file)).encode()).hexdigest()
    assert (code, found) == (0, [("consumer", digest), ("reader", digest)])


@pytest.mark.parametrize("text", ["", "\n", "\r\n", "hush\nhush\n", "\nhush\n", None, "directory", "device"])
def test_a_file_without_a_password(tmp_path: Path, text: str | None) -> None:
    """It would make a user whom an empty password lets in, or one whom none does. `None` is no file."""
    good, file = tmp_path / "good", tmp_path / "file"
    good.write_text("hush\n")
    if text == "directory":
        file.mkdir()
    elif text == "device":
        file = Path("/dev/null")
    elif text is not None:
        file.write_bytes(text.encode())
    code, printed, said = users(f"consumer={good}", f"reader={file}")
    assert (code, printed) == (1, "")
    assert re.fullmatch(r"reader: its password file .*\n", said)
    assert "hush" not in said


def test_a_role_that_is_none(tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.write_text("hush\n")
    for words in ((), (f"consumer={good}", f"writer={good}"), (f"consumer={good}", "reader"), (f"cluster={good}",)):
        code, printed, _ = users(*words)
        assert (code, printed) == (1, ""), words
