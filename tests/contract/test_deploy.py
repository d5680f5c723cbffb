"""What deploy/ holds is fit for the tools that read it. deploy/README.md says what could not be run."""

import http.client
import re
import shutil
import sys
import zipfile
from pathlib import Path

from deploy.local.ports import HOST, free_port
from ranker import __version__
from ranker.serve.api import streams
from ranker.service import http_server
from schemas import configuration
from tests.support.deploy_tools import CHECKOUT, DEPLOY, FindTool, beside_python, run
from tests.support.nginx import Nginx
from tests.support.receiver import receiving


def test_the_configuration_of_compose_is_without_fault() -> None:
    """ranker.toml is one that the programs take, and names where events of its site may come from."""
    table, faults = configuration.table(str(DEPLOY / "ranker.toml"))
    assert faults == []
    assert table["sites"]["demo"]["origins"]
    assert table["sites"]["demo"]["calendar"]["zone"], "or its service freeze has nothing to do"


def test_nginx_takes_its_configuration(find_tool: FindTool, tmp_path: Path) -> None:
    """nginx -t finds nginx.conf valid, and its limits are not at odds with the readers'."""
    nginx = Nginx.before(find_tool("nginx", "nginx-light"), tmp_path, [free_port(), free_port()])
    nginx.conf.write_text(nginx.text)
    assert "test is successful" in run(nginx.binary, "-t", "-p", tmp_path, "-c", nginx.conf)
    conf, upstreams = ((DEPLOY / name).read_text() for name in ("nginx.conf", "nginx-upstreams.conf"))
    kept = re.search(r"^    keepalive_timeout (\d+)s;  # less than", upstreams, re.MULTILINE)
    read = re.search(r"^        proxy_read_timeout (\d+)s;$", conf, re.MULTILINE)
    assert kept is not None
    assert int(kept[1]) < http_server.KEEP_ALIVE_S
    assert read is not None
    assert int(read[1]) > 2 * streams.BEAT_S


def test_nginx_hands_events_on_as_the_collector_needs_them(find_tool: FindTool, tmp_path: Path) -> None:
    """Under the collector's name: 64 KiB and no more, the client's address and not what it says of itself, no log of it."""
    binary = find_tool("nginx", "nginx-light")
    with receiving() as receiver:
        nginx = Nginx.before(binary, tmp_path / "nginx", [free_port(), free_port()], collector=receiver.port)
        nginx.start()
        try:
            claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
            headers = {"Host": "views.example.org", "Origin": "https://www.example.org", "Sec-GPC": "1", **claims}
            statuses = []
            for size in (65_536, 65_537):
                connection = http.client.HTTPConnection(HOST, nginx.port, timeout=10)
                connection.request("POST", "/v1/events", b"x" * size, headers)
                statuses.append(connection.getresponse().status)
                connection.close()
        finally:
            nginx.stop()
    assert statuses == [202, 413]
    ((kept, body),) = receiver.received
    assert len(body) == 65_536
    assert kept["X-Forwarded-For"] == HOST
    assert kept["Forwarded"] is None
    assert (kept["Host"], kept["Sec-GPC"]) == ("views.example.org", "1")
    assert kept["Origin"] == "https://www.example.org"
    assert HOST not in nginx.log.read_text(), "an address of a client is in nginx' log"


def test_the_dockerfile_is_without_fault() -> None:
    """hadolint finds nothing; the image says its version, and does not run as root."""
    run(beside_python("hadolint"), DEPLOY / "Dockerfile")
    assert f'image.version="{__version__}"' in (DEPLOY / "Dockerfile").read_text()
    last_stage = (DEPLOY / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER [1-9]\d*$", last_stage, re.MULTILINE)


def test_what_the_image_installs_is_whole(tmp_path: Path) -> None:
    """From no more than the Dockerfile copies, a wheel with every file of the packages: scripts, page, schemas, kernel."""
    source = tmp_path / "source"
    source.mkdir()
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    # A kernel that was built on this machine is none for the image.
    left_out = [line.rpartition("/")[2] for line in ignored if not line.startswith("!") and line != "*"]
    assert "*.so" in left_out
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE):
        for name in line.split():
            above = [name, *map(str, Path(name).parents)]
            assert {f"!{one}" for one in above} & set(ignored), f"{name} is kept from the build by .dockerignore"
            if (CHECKOUT / name).is_dir():
                skipped = shutil.ignore_patterns(*left_out)
                shutil.copytree(CHECKOUT / name, source / name, ignore=skipped, dirs_exist_ok=True)
            else:
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(CHECKOUT / name, source / name)
    ((library, place),) = re.findall(r"^COPY --from=kernel /src/(\S+) (\S+)$", dockerfile, re.MULTILINE)
    assert re.search(rf"(?m)^\s*mv \S+ {library}( |$)", (DEPLOY / "kernel.sh").read_text())
    (source / place / Path(library).name).write_bytes(b"built")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, source)
    (wheel,) = tmp_path.glob("*-cp311-abi3-*.whl")
    packed = zipfile.ZipFile(wheel)
    assert packed.read(library) == b"built"
    tracked = run("git", "ls-files", "ranker", "producers", "schemas").splitlines()
    built_from = re.compile(r"ranker/kernel/(Cargo\.toml|crates\.lock|(src|fuzz)/.*)")
    assert not {name for name in tracked if not built_from.fullmatch(name)} - set(packed.namelist())


def test_the_image_has_no_compiler() -> None:
    """cargo is in a stage of its own, and a line takes one file out of it; the image is not made without a kernel."""
    stages = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")[1:]
    assert [stage.partition("\n")[0].rpartition(" ")[2] for stage in stages[:2]] == ["kernel", "build"]
    assert re.match(r"rust:\d+\.\d+\.\d+-", stages[0])
    assert [stage for stage in stages[1:] if re.search(r"cargo|rustc|kernel\.sh", stage)] == []
    assert "assert kernel.ON" in stages[1]
