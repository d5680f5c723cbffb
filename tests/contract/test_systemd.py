"""The units of deploy/systemd are fit for systemd, and start what there is."""

import re
from pathlib import Path

import pytest

from tests.support import our_processes
from tests.support.deploy_tools import DEPLOY, FindTool, run

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_units_and_finds_them_confined(unit: Path, tmp_path: Path, find_tool: FindTool) -> None:
    """systemd-analyze verifies each unit, and rates its exposure at most 1.3 of 10."""
    analyze = find_tool("systemd-analyze", "systemd")
    copy = tmp_path / unit.name.replace("@.", "@9101.")
    # The program need not be on this machine; that it has the command is the next test's.
    copy.write_text(re.sub("/opt/ranker/bin/(ranker|producers)", "/bin/true", unit.read_text()))
    assert "ignoring" not in run(analyze, "verify", f"./{copy.name}", cwd=tmp_path)
    run(analyze, "security", "--offline=true", "--threshold=13", f"./{copy.name}", cwd=tmp_path)


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.name)
def test_systemd_takes_the_timers_and_finds_what_they_start(timer: Path, tmp_path: Path, find_tool: FindTool) -> None:
    """systemd-analyze verifies each timer beside its service, which runs once and is not enabled itself."""
    service = timer.with_suffix(".service").read_text()
    assert re.search(r"^Type=oneshot$", service, re.MULTILINE)
    assert "[Install]" not in service
    (tmp_path / timer.name).write_text(timer.read_text())
    (tmp_path / f"{timer.stem}.service").write_text(re.sub("/opt/ranker/bin/ranker", "/bin/true", service))
    assert "ignoring" not in run(find_tool("systemd-analyze", "systemd"), "verify", f"./{timer.name}", cwd=tmp_path)


@pytest.mark.parametrize("name", ["verify", "freeze"])
def test_what_runs_by_a_timer_may_write_its_metrics_and_nothing_else(name: str) -> None:
    """The folder of its file is all that the service may write to, and the exporter may read it."""
    service = (DEPLOY / "systemd" / f"ranker-{name}.service").read_text()
    written = re.search(r"--metrics (\S+)$", service, re.MULTILINE)
    assert written is not None
    assert re.findall(r"^(?:ReadWritePaths|\w+Directory)=(.*)$", service, re.MULTILINE) == [
        str(Path(written[1]).parent)
    ]
    assert re.findall(r"^UMask=(.*)$", service, re.MULTILINE) == ["0022"]
    assert Path(written[1]).name == f"ranker_{name}.prom"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_start_commands_of_ours(unit: Path) -> None:
    """ExecStart names a command and options that there are."""
    found = re.search(r"^ExecStart=/opt/ranker/bin/(ranker|producers) (.*)$", unit.read_text(), re.MULTILINE)
    assert found is not None
    our_processes.options(found[1], found[2].replace("%i", "9101").replace("$REPLAY", "access.log").split())


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_units_and_their_comments_name_variables_that_there_are(unit: Path) -> None:
    assert set(re.findall(r"\bRANKER_[A-Z_]+", unit.read_text())) <= our_processes.VARIABLES


@pytest.mark.parametrize("server", ["redis", "kafka"])
def test_each_unit_has_a_password_of_its_own_that_only_root_may_read(
    server: str, tmp_path: Path, find_tool: FindTool
) -> None:
    """systemd takes what credentials.sh writes; the variables are ours, and the users are those of the other ways in."""
    analyze = find_tool("systemd-analyze", "systemd")
    run(DEPLOY / "systemd" / "credentials.sh", server, tmp_path)
    written = sorted(tmp_path.glob("*.service.d/*.conf"))
    assert len(written) == 5
    for conf in written:
        unit = DEPLOY / "systemd" / conf.parent.name.removesuffix(".d")
        (tmp_path / unit.name).write_text(re.sub("/opt/ranker/bin/(ranker|producers)", "/bin/true", unit.read_text()))
        name = unit.name.replace("@.", "@9101.")
        assert "ignoring" not in run(analyze, "verify", f"./{name}", cwd=tmp_path)
        text = conf.read_text()
        given = dict(re.findall(r"(RANKER_\w+)=(\S+)", text))
        assert given.keys() <= our_processes.VARIABLES
        user, file = given[f"RANKER_{server.upper()}_USERNAME"], given[f"RANKER_{server.upper()}_PASSWORD_FILE"]
        assert f"\nLoadCredential={file.removeprefix('%d/')}:/etc/ranker/credentials/{server}-{user}\n" in text
        assert server != "redis" or (DEPLOY / "redis-acl" / f"{user}.acl").exists()


def test_the_documents_are_made_minutes_after_their_close(find_tool: FindTool) -> None:
    """Twelve minutes past the hour, and past the half hour: ten are what a period waits."""
    timer = (DEPLOY / "systemd" / "ranker-freeze.timer").read_text()
    (moments,) = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    analyze = find_tool("systemd-analyze", "systemd")
    said = run(analyze, "calendar", "--base-time=2026-11-28 05:11:00 UTC", "--iterations=3", moments)
    assert re.findall(r"(\d\d:\d\d):00 UTC", said) == ["05:12", "05:42", "06:12"]
