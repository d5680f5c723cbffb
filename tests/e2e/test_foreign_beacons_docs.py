"""docs/ways-in/foreign-beacons.md, block by block: its ranker.toml, its commands, and its mirror in a real nginx."""

import asyncio
import http.client
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.local import children, waiting
from deploy.local.kafka_jars import CHECKOUT
from deploy.local.launcher import program
from deploy.local.ports import HOST, free_port, is_listening
from tests.bench import processes
from tests.support.collector_process import new_topic, records
from tests.support.http import Answer, ask
from tests.support.nginx import Nginx

DOCS = CHECKOUT / "docs" / "ways-in"
CONFIG, START, COUNTED, PASSED_OVER, MIRROR = re.findall(
    r"^```\w+\n(.*?)^```$", (DOCS / "foreign-beacons.md").read_text(), re.MULTILINE | re.DOTALL
)
ORIGIN = "https://www.example.org"
UUID = "2f1b6d0e-8c1a-4d6e-9b1f-0a7c5e3d9f42"
SENT = [
    ("GET", "/matomo.php?idsite=3&rec=1&url=https%3A%2F%2Fwww.example.org%2Fmatomo&send_image=0", None),
    ("POST", "/api/event", '{"n":"pageview","u":"https://www.example.org/plausible","d":"example.org"}'),
    ("POST", "/api/send", f'{{"type":"event","payload":{{"website":"{UUID}","url":"/umami"}}}}'),
    ("POST", "/count?p=%2Fgoatcounter", ""),
]


class Recorder(ThreadingHTTPServer):
    """A server that answers `says` to everything and keeps what came: (method, target, headers, body)."""

    daemon_threads = True

    def __init__(self, says: bytes) -> None:
        super().__init__((HOST, 0), _Recording)
        self.says = says
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.held = threading.Event()
        self.held.set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Recording(BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.command, self.path, headers, body))
        self.server.held.wait(30)
        self.send_response(202)
        self.send_header("Content-Length", str(len(self.server.says)))
        self.end_headers()
        self.wfile.write(self.server.says)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def analytics() -> Iterator[Recorder]:
    """What stands behind nginx already."""
    with Recorder(b"theirs") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.held.set()
        server.shutdown()


@pytest.fixture
def copy() -> Iterator[Recorder]:
    """In the collector's place."""
    with Recorder(b"ours") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.held.set()
        server.shutdown()


@pytest.fixture
def mirrored(
    find_tool: Callable[[str, str], Path], tmp_path: Path, analytics: Recorder
) -> Iterator[Callable[[int], int]]:
    """Starts the page's nginx before the analytics and the collector at a port; its own port."""
    started: list[Nginx] = []

    def start(collector: int) -> int:
        port = free_port()
        text = MIRROR.replace("listen 80;", f"listen {HOST}:{port};")
        text = text.replace("127.0.0.1:8000", f"{HOST}:{analytics.port}").replace(
            "127.0.0.1:8081", f"{HOST}:{collector}"
        )
        nginx = Nginx(find_tool("nginx", "nginx-light"), tmp_path / "nginx", text, port)
        nginx.start()
        started.append(nginx)
        return port

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def collector(kafka_embedded: str, tmp_path: Path) -> Iterator[tuple[int, str]]:
    """The page's command with the page's file, on ports of its own: (port, topic)."""
    topic = asyncio.run(new_topic(kafka_embedded, "foreign.beacons"))
    file = tmp_path / "ranker.toml"
    file.write_text(CONFIG)
    name, *words = shlex.split(START)
    port = free_port()
    argv: list[str | Path] = [program(name), *(file if word == file.name else word for word in words)]
    argv += [
        "--port",
        str(port),
        "--admin-port",
        str(free_port()),
        "--topic",
        topic,
        "--spool",
        str(tmp_path / "spool"),
    ]
    env = {**processes.environment(), "RANKER_KAFKA_BOOTSTRAP": kafka_embedded}
    child = children.start("collector", argv, tmp_path / "collector.log", env)
    try:
        waiting.until("The collector's start", lambda: is_listening(port), 30.0)
        yield port, topic
    finally:
        child.kill()


def send(port: int, method: str, target: str, body: str | None, **headers: str) -> Answer:
    return ask(port, target, method, body, Host="stats.example.org", **headers)


def test_both_languages_hold_the_same_blocks() -> None:
    """And the same sections, tables and links."""
    one, other = ((DOCS / name).read_text() for name in ("foreign-beacons.md", "foreign-beacons.fr.md"))
    for pattern in (r"^```\w+\n.*?^```$", r"^#+ ", r"^\|[-|]+$"):
        found = [re.findall(pattern, text, re.MULTILINE | re.DOTALL) for text in (one, other)]
        assert found[0] == found[1] != []
    assert re.findall(r"^\| `(\w+)` \|", one, re.MULTILINE) == re.findall(r"^\| `(\w+)` \|", other, re.MULTILINE)


def test_the_commands(collector: tuple[int, str]) -> None:
    """What is counted and what is not, by curl, with the answers that the page names."""
    port, _ = collector
    counted, passed_over = (
        subprocess.run(
            ["sh", "-c", text.replace(":8081", f":{port}")], capture_output=True, text=True, check=True
        ).stdout
        for text in (COUNTED, PASSED_OVER)
    )
    assert counted.startswith("HTTP/1.1 202")
    assert counted.endswith("\n\nok")
    assert "counted-as: bot" in counted
    assert "not-counted" not in counted
    assert passed_over.startswith("HTTP/1.1 204")
    assert "not-counted: no_page_view" in passed_over


def test_the_mirror_counts(collector: tuple[int, str], kafka_embedded: str, mirrored: Callable[[int], int]) -> None:
    """Every kind of beacon: the browser gets their answer, and the view is in Kafka."""
    port, topic = collector
    nginx = mirrored(port)
    for method, target, body in SENT:
        answer = send(nginx, method, target, body, Origin=ORIGIN)
        assert (answer.status, answer.body) == (202, b"theirs")
    assert send(nginx, "GET", "/matomo.js", None).body == b"theirs"
    found = asyncio.run(records(kafka_embedded, topic, 4))
    assert {record.event["article_id"] for record in found} == {"/matomo", "/plausible", "/umami", "/goatcounter"}
    assert {record.event["site_id"] for record in found} == {"demo"}


def test_what_is_mirrored(analytics: Recorder, copy: Recorder, mirrored: Callable[[int], int]) -> None:
    """The same request, with nginx' word on the address, without cookies and passwords; other files are not copied."""
    nginx = mirrored(copy.port)
    lies = {"X_Forwarded_For": "192.0.2.66", "Cookie": "_pk_id.3=abc", "Authorization": "Basic eA==", "Origin": ORIGIN}
    for method, target, body in SENT:
        send(nginx, method, target, body, **lies)
    send(nginx, "GET", "/matomo.js", None)
    waiting.until("All copies", lambda: len(copy.got) == len(SENT), 10.0)
    assert len(analytics.got) == len(SENT) + 1
    # In no order: one copy may overtake another.
    assert {one[:2] + one[3:] for one in copy.got} == {(*one[:2], (one[2] or "").encode()) for one in SENT}
    for _, _, headers, _ in copy.got:
        assert (headers["host"], headers["x-forwarded-for"], headers["origin"]) == ("stats.example.org", HOST, ORIGIN)
        assert not {"cookie", "authorization"} & headers.keys()
    assert analytics.got[0][2]["cookie"] == "_pk_id.3=abc"


def test_a_collector_that_is_away_or_hangs(analytics: Recorder, copy: Recorder, mirrored: Callable[[int], int]) -> None:
    """Readers' answers do not wait; only a connection's next request does, for the two seconds that the page says."""
    away = mirrored(free_port())
    for method, target, body in SENT:
        assert send(away, method, target, body).body == b"theirs"
    nginx = mirrored(copy.port)
    copy.held.clear()
    connection = http.client.HTTPConnection(HOST, nginx, timeout=10)
    waited = []
    for _ in range(2):
        begun = time.monotonic()
        connection.request("GET", SENT[0][1], headers={"Host": "stats.example.org"})
        assert connection.getresponse().read() == b"theirs"
        waited.append(time.monotonic() - begun)
    connection.close()
    assert waited[0] < 1.5 < waited[1] < 5
    assert len(analytics.got) == len(SENT) + 2
