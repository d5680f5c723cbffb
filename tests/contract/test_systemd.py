"""The units of deploy/systemd are fit for systemd, and start what there is."""

import re
from pathlib import Path

import pytest

from schemas.configuration import SettingsError
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


@pytest.mark.parametrize(
    "file", ["ranker-verify.service", "ranker-freeze.service.d/metrics.conf"], ids=["verify", "freeze"]
)
def test_what_runs_by_a_timer_may_write_its_metrics_and_nothing_else(file: str) -> None:
    """The folder of its file is all that the service may write to, and the exporter may read it."""
    service, name = (DEPLOY / "systemd" / file).read_text(), file[len("ranker-") :].partition(".")[0]
    written = re.search(r"--metrics (\S+)$", service, re.MULTILINE)
    assert written is not None
    assert re.findall(r"^(?:ReadWritePaths|\w+Directory)=-?(.*)$", service, re.MULTILINE) == [
        str(Path(written[1]).parent)
    ]
    assert re.findall(r"^UMask=(.*)$", service, re.MULTILINE) == ["0022"]
    assert Path(written[1]).name == f"ranker_{name}.prom"


def test_documents_are_made_whether_or_not_their_metrics_can_be_shown(tmp_path: Path, find_tool: FindTool) -> None:
    """Without the node exporter's group and folder; systemd takes the unit with its drop-in too."""
    unit, more = DEPLOY / "systemd" / "ranker-freeze.service", DEPLOY / "systemd" / "ranker-freeze.service.d"
    text = unit.read_text()
    assert "prometheus" not in text.partition("[Unit]")[2]
    assert re.search(r"^ExecStart=/opt/ranker/bin/ranker freeze$", text, re.MULTILINE)
    (tmp_path / unit.name).write_text(text.replace("/opt/ranker/bin/ranker", "/bin/true"))
    (tmp_path / more.name).mkdir()
    (conf,) = more.iterdir()
    (tmp_path / more.name / conf.name).write_text(conf.read_text().replace("/opt/ranker/bin/ranker", "/bin/true"))
    assert "ignoring" not in run(find_tool("systemd-analyze", "systemd"), "verify", f"./{unit.name}", cwd=tmp_path)
    (line,) = re.findall(r"^ExecStart=/opt/ranker/bin/ranker (.+)$", conf.read_text(), re.MULTILINE)
    our_processes.options("ranker", line.split())


@pytest.mark.parametrize("server", ["redis", "kafka"])
def test_the_readme_s_two_ways_to_give_passwords_are_settings_without_fault(server: str, tmp_path: Path) -> None:
    """Each unit, with ranker.env and its credential, or with the password in the address; both at once are refused."""
    (text,) = re.findall(r"/etc/ranker/ranker.env <<END\n(.*?)END\n", (DEPLOY / "README.md").read_text(), re.DOTALL)
    env = dict(line.split("=", 1) for line in text.splitlines()) | {"RANKER_CONFIG": str(DEPLOY / "ranker.toml")}
    (address,) = re.findall(r"`RANKER_REDIS_URL=(\S+)`", (DEPLOY / "README.md").read_text())
    run(DEPLOY / "systemd" / "credentials.sh", server, tmp_path)
    (tmp_path / f"{server}-password").write_text("secret\n")
    for conf in sorted(tmp_path.glob("*.service.d/*.conf")):
        line = re.search(
            r"^ExecStart=/opt/ranker/bin/(\w+) (.*)$",
            (DEPLOY / "systemd" / conf.parent.name.removesuffix(".d")).read_text(),
            re.MULTILINE,
        )
        assert line is not None
        program, words = line[1], line[2].split()
        given = {
            key: value.replace("%d", str(tmp_path))
            for key, value in re.findall(r"(RANKER_\w+)=(\S+)", conf.read_text())
        }
        if server == "kafka":
            given |= {"RANKER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "RANKER_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}
        our_processes.check_settings(program, words, env | given)
        our_processes.check_settings(program, words, env | {"RANKER_REDIS_URL": address})
        if server == "redis":
            with pytest.raises(SettingsError, match="settings have"):
                our_processes.check_settings(program, words, env | given | {"RANKER_REDIS_URL": address})


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
