"""`meterctl provision` against a real HTTP server that answers as ThingsBoard's documentation says: it is none."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from jsonschema import Draft202012Validator

from admin_api.cli.main import answer
from common.settings import load
from common.store.engine import Store, open_from_settings
from tests.house.schemas import schema
from tests.support.system import meterctl

USER: Final = "tenant@example.org"
PASSWORD: Final = "a tenant's secret"
SESSION: Final = "eyJhbGciOi.session"


class Board(ThreadingHTTPServer):
    """Devices by name, their tokens, and what was asked; ``fails``: a path's beginning and the status it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.devices: dict[str, str] = {}
        self.kinds: dict[str, str] = {}
        self.asked: list[str] = []
        self.fails: tuple[str, int] = ("", 0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: object) -> None:
        """Say nothing."""

    def _send(self, status: int, document: object) -> None:
        octets = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def _answer(self, body: dict[str, str]) -> tuple[int, object]:
        board, parts = cast("Board", self.server), urlsplit(self.path)
        board.asked.append(f"{self.command} {parts.path}")
        start, status = board.fails
        if status and parts.path.startswith(start):
            return status, {"status": status, "message": "as told"}
        if parts.path == "/api/auth/login":
            right = body == {"username": USER, "password": PASSWORD}
            return (200, {"token": SESSION, "refreshToken": "x"}) if right else (401, {"message": "Invalid"})
        if self.headers.get("X-Authorization") != f"Bearer {SESSION}":
            return 401, {"message": "Token has expired"}
        if parts.path == "/api/tenant/devices":
            return self._device(parse_qs(parts.query)["deviceName"][0])
        if parts.path == "/api/device":
            board.devices[body["name"]] = f"token-of-{body['name']}"
            return self._device(body["name"])
        name = unquote(parts.path.split("/")[3]).removeprefix("id-of-")
        kind = board.kinds.get(name, "ACCESS_TOKEN")
        return 200, {"credentialsType": kind, "credentialsId": board.devices[name]}

    def _device(self, name: str) -> tuple[int, object]:
        if name not in cast("Board", self.server).devices:
            return 404, {"status": 404, "message": "Requested item wasn't found!", "errorCode": 32}
        return 200, {"id": {"entityType": "DEVICE", "id": f"id-of-{name}"}, "name": name, "type": "default"}

    def do_GET(self) -> None:
        self._send(*self._answer({}))

    def do_POST(self) -> None:
        self._send(*self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("prepared")
    (directory / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    for words in (
        ("init",),
        ("add", "hall", "--host", "192.0.2.1"),
        ("add", "yard", "--host", "192.0.2.2", "--tb-device", "Yard 1"),
    ):
        assert answer(["--state", str(directory / "state"), *words]) == 0
    return directory


@pytest.fixture
def state(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "copy")) / "state"


@pytest.fixture
def store(state: Path) -> Iterator[Store]:
    opened = open_from_settings(load(str(state), {}))
    yield opened
    opened.close()


def _provision(state: Path, board: Board, *words: str, code: int = 0) -> list[dict[str, object]]:
    known = ("--url", board.url, "--user", USER, "--password-file", str(state.parent / "password"))
    done = meterctl(state, "provision", *known, *words, "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    assert PASSWORD not in done.stdout + done.stderr
    assert "token-of" not in done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    for document in found:
        Draft202012Validator(schema("provision")).validate(document)
    return found


def _refused(state: Path, url: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Provision in this process; return the kind of the error that ends it."""
    capsys.readouterr()
    words = ("--url", url, "--user", USER, "--password-file", str(state.parent / "password"), "--json")
    assert answer(["--state", str(state), "provision", *words]) == 2
    return str(json.loads(capsys.readouterr().err)["error"]["kind"])


def test_devices_are_made_or_found_and_their_tokens_written_once(state: Path, store: Store, board: Board) -> None:
    board.devices["Yard 1"] = "token-of-old"
    dry = _provision(state, board, "--dry-run")
    assert [(each["outcome"], each["changed"]) for each in dry] == [("would be created", False), ("found", True)]
    assert store.meters.by_name("yard").revision == 1
    first = _provision(state, board, "--mqtt-port", "8883")
    assert [(each["meter"], each["outcome"]) for each in first] == [("hall", "created"), ("yard", "found")]
    hall, yard = (store.meters.by_name(name).wish for name in ("hall", "yard"))
    assert (hall.tb_enabled, hall.tb_host, hall.tb_port, hall.tb_device_name) == (True, "127.0.0.1", 8883, "hall")
    assert (hall.tb_token.reveal(), yard.tb_token.reveal()) == ("token-of-hall", "token-of-old")
    again = _provision(state, board, "--mqtt-port", "8883")
    assert [(each["outcome"], each["changed"]) for each in again] == [("found", False)] * 2
    assert store.meters.by_name("hall").revision == 2
    assert board.asked.count("POST /api/device") == 1


def test_one_device_that_cannot_be_had_does_not_keep_the_others(state: Path, store: Store, board: Board) -> None:
    board.devices["hall"], board.kinds["hall"] = "x", "X509_CERTIFICATE"
    assert [each["meter"] for each in _provision(state, board, code=1)] == ["yard"]
    assert not store.meters.by_name("hall").wish.tb_enabled
    assert store.meters.by_name("yard").wish.tb_enabled


@pytest.mark.parametrize(
    ("fails", "kind"),
    [
        (("/api/auth", 401), "things_board_refused"),
        (("/api/auth", 503), "things_board_away"),
        (("/api/auth", 404), "things_board_answer"),
        (("/api/tenant", 403), "things_board_refused"),
    ],
)
def test_a_server_that_will_not_is_told_by_name_and_not_asked_again(
    fails: tuple[str, int], kind: str, state: Path, board: Board, capsys: pytest.CaptureFixture[str]
) -> None:
    board.fails = fails
    assert _refused(state, board.url, capsys) == kind
    assert len(board.asked) <= 2


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1", "things_board_away"),  # tcpmux: nobody listens
        ("http://192.0.2.1", "bad_url"),
        ("ftp://192.0.2.1", "bad_url"),
        ("https://user:secret@192.0.2.1", "bad_url"),
        ("http://127.0.0.1:port", "bad_url"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_as_such(
    url: str, kind: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _refused(state, url, capsys) == kind
