"""dlms-notifier as a process: letters to a real mail server and a real web server, once, over a restart."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from common.settings import load
from common.store.engine import Store, open_from_settings
from common.store.model import Severity
from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until

BIN = Path(sys.executable).parent
PASSWORD = "not-for-any-log"
TOKEN = "token-of-the-hook"
START_S = 60.0


class Mailbox:
    """Takes every mail."""

    def __init__(self) -> None:
        self.mails: list[Message] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        return "250 taken"


@contextmanager
def hook() -> Iterator[tuple[int, list[dict[str, object]]]]:
    """Run a web server that takes every JSON document."""
    taken: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Notifier:
    """The program, over a state directory of its own."""

    def __init__(self, root: Path, urls: str) -> None:
        self.log = root.parent / "notifier.log"
        self._root = root
        self._environment = {
            **os.environ,
            "DLMS_BRIDGE_NOTIFY_URLS": urls,
            "DLMS_BRIDGE_NOTIFY_HOLD_S": "0",
            "DLMS_BRIDGE_NOTIFY_DIGEST_S": "0",
        }

    @contextmanager
    def running(self) -> Iterator[None]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(BIN / "dlms-notifier"), "--state", str(self._root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(10.0) == 0, self.log.read_text(encoding="utf-8")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    root = tmp_path / "state"
    subprocess.run([str(BIN / "meterctl"), "init", "--state", str(root)], check=True, capture_output=True, timeout=60)
    found = open_from_settings(load(str(root), {}))
    yield found
    found.close()


@pytest.mark.slow
def test_an_alarm_is_told_by_mail_and_webhook_once_over_a_restart(tmp_path: Path, store: Store) -> None:
    mailbox, dead = Mailbox(), free_port()
    accept = {"authenticator": lambda *_arguments: AuthResult(success=True), "auth_require_tls": False}
    server = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **accept)  # type: ignore[arg-type]  # of SMTP
    server.start()
    try:
        with hook() as (port, taken):
            urls = (
                f"mailto://ops:{PASSWORD}@127.0.0.1:{server.port}?from=bridge@site.example&to=ops@site.example&mode=insecure",
                f"json://127.0.0.1:{port}/{TOKEN}",
                f"json://127.0.0.1:{dead}/{TOKEN}-2",
            )
            notifier = Notifier(tmp_path / "state", " ".join(urls))
            with notifier.running():
                store.alarms.raise_("process:api", Severity.CRITICAL, "process", "api FATAL: no luck")
                wait_until(lambda: mailbox.mails and taken, START_S, "mail and webhook")
                wait_until(lambda: _state(store).get("trouble"), START_S, "the trouble with the third")
            store.alarms.raise_("disk:publisher", Severity.CRITICAL, "disk", "the disk is full")
            with notifier.running():
                wait_until(lambda: len(mailbox.mails) == 2 and len(taken) == 2, START_S, "the second alarm alone")
    finally:
        server.stop()
    subjects = [str(mail["Subject"]) for mail in mailbox.mails]
    assert "critical: process api" in subjects[0]
    assert "critical: disk publisher" in subjects[1]
    assert "api FATAL: no luck" in str(taken[0]["message"])
    said = notifier.log.read_text(encoding="utf-8") + str(_state(store))
    assert not [secret for secret in (PASSWORD, TOKEN) if secret in said], said


def _state(store: Store) -> dict[str, object]:
    component = store.states.components().get("notifier")
    return dict(component.state) if component else {}
