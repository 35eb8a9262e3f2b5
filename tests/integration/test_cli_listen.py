"""``meterctl listen`` over real sockets: pushes of real meters, ciphered ones, noise, many senders, its exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.clock import SystemClock
from poller.cli.listen import main
from poller.cli.push_server import MAX_SENDERS, PushServer
from poller.dlms.listening import Heard, PushListener
from poller.dlms.notification import Notification
from poller.dlms.push_streams import Framing
from tests.support.waiting import wait_until

Captured = pytest.CaptureFixture[str]
VECTORS = Path(__file__).parents[1] / "vectors" / "dlms_public.json"
BY_ID = {vector["id"]: vector for vector in json.loads(VECTORS.read_text("utf-8"))["vectors"]}
LIMIT_S = 10


def octets(*names: str) -> bytes:
    return b"".join(bytes.fromhex(BY_ID[name]["hex"]) for name in names)


AIDON = octets("hdlc-push-ui-aidon")
ISKRA = octets(*(f"hdlc-push-iskra-am550-segment-{part}" for part in (1, 2, 3)))
LANDIS = octets(*(f"hdlc-push-gbt-lg-e450-{part}" for part in (1, 2, 3)))
PLAIN = octets("data-notification-no-time")
CIPHERED = octets("wrapper-push-general-glo")
KEY = BY_ID["general-glo-push"]["keys"]["ek"]


def wrapped(apdu: bytes) -> bytes:
    return bytes.fromhex("000100010010") + len(apdu).to_bytes(2, "big") + apdu


@dataclass
class Running:
    """The command in a process of its own, and what it printed."""

    process: "subprocess.Popen[str]"
    port: int

    def end(self) -> tuple[int, list[dict[str, object]], str]:
        """Wait for its end; return its exit code, the lines of JSON, and what it complained about."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, [json.loads(line) for line in out.splitlines()], err


@contextmanager
def listening(*words: str) -> Iterator[Running]:
    command = [sys.executable, "-P", "-c", "import sys; from poller.cli.listen import main; sys.exit(main())"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--port", "0", *words], stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stderr is not None
            port = int(process.stderr.readline().rpartition(":")[2])
            yield Running(process, port)
        finally:
            process.kill()


def error_of(row: dict[str, object]) -> object:
    error = row["error"]
    assert isinstance(error, dict)
    return error["kind"]


def send_tcp(port: int, pieces: Sequence[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port), LIMIT_S) as connection:
        for piece in pieces:
            connection.sendall(piece)


def test_pushes_of_three_families_over_one_hdlc_connection() -> None:
    with listening("--transport", "hdlc", "--json", "--count", "3") as running:
        stream = b"noise" + AIDON + ISKRA + LANDIS
        send_tcp(running.port, [stream[at : at + 50] for at in range(0, len(stream), 50)])
        code, (aidon, iskra, landis), _ = running.end()
    assert code == 0
    assert aidon["value"] == [["0100010700ff", 368, [0, 27]]]
    assert (aidon["source"], aidon["destination"], aidon["confirmed"]) == ("4/65", "32", True)
    assert iskra["time"] == "2021-11-02T21:51:00+01:00"
    assert (landis["kind"], landis["invoke"]) == ("data-notification", 0x7C83D3)


def test_a_ciphered_push_with_and_without_keys(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"encryption_key = {KEY}\nauthentication_key = {KEY}\n")
    keys.chmod(0o600)
    arguments = ("--keys-file", str(keys), "--security", "both", "--json", "--count", "1")
    with listening(*arguments) as running:
        send_tcp(running.port, [wrapped(PLAIN) + CIPHERED])
        code, (refused, opened), _ = running.end()
    assert (code, error_of(refused)) == (0, "deciphering_failed")
    assert (opened["invoke"], opened["ciphered"]) == (475, True)
    with listening("--json", "--count", "1") as running:
        send_tcp(running.port, [CIPHERED + wrapped(PLAIN)])
        code, (closed, plain), _ = running.end()
    assert (code, error_of(closed)) == (0, "deciphering_failed")
    assert (plain["invoke"], plain["ciphered"]) == (475, False)


def test_datagrams_each_for_itself() -> None:
    with (
        listening("--udp", "--transport", "raw", "--json", "--count", "2") as running,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        for datagram in (PLAIN, PLAIN[:-3], b"", PLAIN):
            sender.sendto(datagram, ("127.0.0.1", running.port))
        code, (first, cut, second), _ = running.end()
    assert code == 0
    assert first["value"] == second["value"] == PLAIN[8:].hex()
    assert error_of(cut) == "bad_data"


def test_a_stream_out_of_step_is_closed_and_others_go_on() -> None:
    with listening("--json", "--count", "1") as running:
        with socket.create_connection(("127.0.0.1", running.port), LIMIT_S) as lost:
            lost.sendall(b"\x07" * 8)
            assert lost.recv(1) == b""
        send_tcp(running.port, [wrapped(PLAIN)])
        code, (broken, heard), _ = running.end()
    assert (code, error_of(broken), heard["invoke"]) == (0, "link_damaged", 475)


def test_a_tree_for_people_and_a_signal_that_ends_it() -> None:
    with listening("--transport", "hdlc") as running:
        send_tcp(running.port, [AIDON])
        assert running.process.stdout is not None
        head = running.process.stdout.readline()
        tree = [running.process.stdout.readline() for _ in range(7)]
        os.kill(running.process.pid, signal.SIGTERM)
        code, _, _ = running.end()
    assert "kind data-notification" in head
    assert [line.split() for line in tree[:4]] == [
        ["array", "of", "1"],
        ["structure", "of", "3"],
        ["octet-string", "0100010700ff"],
        ["uint32", "368"],
    ]
    assert code == 0


def test_time_that_passes_in_vain_is_exit_code_1(capsys: Captured) -> None:
    assert main(["--port", "0", "--timeout", "0.05"]) == 1
    assert main(["--port", "0", "--timeout", "0.05", "--count", "1"]) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "words",
    [["--port", "70000"], ["--port", "0", "--count", "0"], ["--port", "0", "--timeout", "0"], [], ["--port", "x"],
     ["--port", "0", "--security", "both"], ["--port", "0", "--keys-file", "/nowhere"]],
)  # fmt: skip
def test_wrong_arguments_are_exit_code_2(words: list[str]) -> None:
    assert main(words) == 2


def test_an_address_that_is_taken_is_exit_code_2(capsys: Captured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert "port_taken" in capsys.readouterr().err


@pytest.mark.parametrize("udp", [False, True])
def test_one_sender_too_many_makes_the_oldest_go(udp: bool) -> None:
    """What the newest sends is heard, whoever was there before."""
    heard: list[Heard] = []
    done = threading.Event()
    with PushServer(
        ("127.0.0.1", 0),
        udp=udp,
        make=lambda: PushListener(Framing.RAW),
        heard=lambda _, push: heard.append(push),
        clock=SystemClock(),
    ) as server:
        thread = threading.Thread(target=server.serve, args=(done.is_set,))
        thread.start()
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        senders = [socket.socket(socket.AF_INET, kind) for _ in range(MAX_SENDERS + 3)]
        try:
            for sender in senders:
                sender.connect(("127.0.0.1", server.port))
                sender.sendall(PLAIN)
            wait_until(lambda: len(heard) == len(senders), LIMIT_S, "all pushes")
        finally:
            done.set()
            thread.join()
            for sender in senders:
                sender.close()
    assert all(isinstance(push.content, Notification) for push in heard)


def test_a_push_that_was_cut_is_given_up_after_a_pause() -> None:
    with (
        listening("--transport", "raw", "--json", "--count", "1") as running,
        socket.create_connection(("127.0.0.1", running.port), LIMIT_S) as sender,
    ):
        sender.sendall(PLAIN[:-1])
        assert running.process.stdout is not None
        cut = json.loads(running.process.stdout.readline())
        sender.sendall(PLAIN)
        code, (whole,), _ = running.end()
    assert (code, error_of(cut), whole["invoke"]) == (0, "bad_data", 475)
