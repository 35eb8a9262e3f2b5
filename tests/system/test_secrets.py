"""A live system that was given every kind of secret: none comes out anywhere, and the eye that looks does see."""

import base64
import http.client
import json
import re
import secrets
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import pytest

from admin_api.app import AREAS
from poller.simulator import Fleet, MeterSpec
from poller.simulator.personality import Keys, personality
from tests.support.mosquitto import free_port
from tests.support.planted import Leak, Planted, family
from tests.support.system import Sections, System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

LLS, WRONG_LLS = "Pl4nt-LLS", "Wr0ng-LLS-guess"
BROKER, CLOUD, PERSON, NOTIFY = "Br0ker-p4ss!word", "tb-Acc3ss-t0ken", "a s3cret sentence", "N0tify-p4ssword"
KEYS: Final = Keys(encryption=secrets.token_bytes(16), authentication=secrets.token_bytes(16))
STREAM_S: Final = 1.0
VOLTAGE: Final = {"measurement_name": "voltage_l1", "obis_code": "1-0:32.7.0"}
SETTINGS: Final[Sections] = {
    "mqtt": {"username": "bridge", "password": BROKER},
    "api": {"workers": 2, "remote_actions": True},
    "notify": {"urls": f"json://ann:{NOTIFY}@127.0.0.1:9/", "min_severity": "info", "hold_s": 0.0, "digest_s": 0.0},
}


@dataclass
class Client:
    """Somebody with a token, who keeps all answers."""

    port: int
    token: str
    answers: list[tuple[str, bytes]]

    def call(self, method: str, path: str, body: object = None, *, keep: bool = True) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            sock, response = connection.sock, connection.getresponse()
            if "events" in path:
                sock.settimeout(STREAM_S)
            octets = _all_of(response)
            if keep:
                head = "\n".join(f"{name}: {value}" for name, value in response.getheaders())
                self.answers.append((f"{method} {path} {response.status}", head.encode() + b"\n" + octets))
            return response.status, octets
        finally:
            connection.close()

    def answers_now(self) -> bool:
        try:
            return self.call("GET", "/health")[0] == 200
        except OSError:
            return False


def _all_of(response: http.client.HTTPResponse) -> bytes:
    found = b""
    try:
        while more := response.read1(65_536):
            found += more
    except TimeoutError:
        pass  # a stream has no end
    return found


@dataclass
class Given:
    """What a system was given."""

    planted: Planted
    client: Client


def test_no_secret_comes_out_of_a_live_system(tmp_path: Path) -> None:
    locked = replace(personality("microstar"), saps={1: LLS.encode()})
    ciphered = replace(personality("secure"), keys=KEYS)
    with (
        Fleet([MeterSpec("locked", locked), MeterSpec("refusing", locked), MeterSpec("ciphered", ciphered)]) as fleet,
        System(tmp_path, meters=1, interval_s=0.5, settings=SETTINGS) as system,
    ):
        given = _give(system, fleet)
        system.wait_for_readings(2, meters=["locked", "ciphered"])
        _provoke(given.client, fleet)
        _walk(given.client)
        _outputs(system, fleet, given.client, tmp_path)
        process = system._process
        assert process is not None
        pids = family(process.pid)
        assert len(pids) > 8  # supervisord, four programs, gunicorn's, three workers
        leaks = [
            *given.planted.in_processes(pids),
            *given.planted.in_files(system.state, _excepted(system)),
            *(leak for where, octets in given.client.answers for leak in given.planted.look(octets, where)),
        ]
        assert leaks == []
        _check_exceptions(given, system)
        _check_the_eye(given.planted, system)


def _give(system: System, fleet: Fleet) -> Given:
    """Give the system its secrets, as an operator does over the API."""
    (system.state / "bridge.toml").chmod(0o600)
    client = Client(system.api_port, system.cli("token", "create", "--role", "admin").stdout.strip(), [])
    wait_until(client.answers_now, 30, "the API to answer")

    def made(path: str, **body: object) -> dict[str, object]:
        status, octets = client.call("POST", path, body, keep="token" not in path and "login" not in path)
        assert status < 300, octets
        return cast("dict[str, object]", json.loads(octets))

    viewer = str(made("/api/tokens", role="viewer", label="panel")["token"])
    made("/api/users", name="ann", role="admin", password=PERSON)
    session = str(made("/api/login", name="ann", password=PERSON)["token"])
    here: dict[str, object] = {"ip_address": "127.0.0.1", "client_id": 1, "interval_s": 0.5}
    made("/api/meters", **here, name="locked", port=fleet.meters["locked"].port, password=LLS)
    cloud = {"tb_host": "127.0.0.1", "tb_port": free_port(), "tb_token": CLOUD}
    made("/api/meters", **here, **cloud, name="wrong", port=fleet.meters["refusing"].port, password=WRONG_LLS)
    hidden = {"encryption_key": KEYS.encryption.hex(), "authentication_key": KEYS.authentication.hex()}
    made(
        "/api/meters",
        **{**here, **hidden, "client_id": 35, "authentication": "hls-gmac", "security": "both"},
        server_physical=17,
        address_size=4,
        client_title=b"CLIENT01".hex(),
        model="generic",
        name="ciphered",
        port=fleet.meters["ciphered"].port,
        measurements=[VOLTAGE],
    )
    system._uids |= {"locked": "", "ciphered": ""}
    planted = Planted({
        "lls": LLS.encode(),
        "wrong lls": WRONG_LLS.encode(),
        "broker": BROKER.encode(),
        "cloud": CLOUD.encode(),
        "person": PERSON.encode(),
        "notify": NOTIFY.encode(),
        "token": client.token[4:].encode(),
        "viewer": viewer[4:].encode(),
        "session": session[4:].encode(),
        "encryption key": KEYS.encryption,
        "authentication key": KEYS.authentication,
        "master key": (system.state / "master.key").read_bytes(),
    })
    return Given(planted, client)


def _provoke(client: Client, fleet: Fleet) -> None:
    """Make mistakes that put a secret where an answer, a log or the audit could repeat it."""
    bodies: list[tuple[str, str, object]] = [
        ("POST", "/api/meters", {"name": "x", "ip_address": "127.0.0.1", "password": LLS * 600}),
        ("POST", "/api/meters", {"name": "x", "ip_address": "127.0.0.1", "password": [LLS]}),
        (
            "POST",
            "/api/meters",
            {"name": "x", "ip_address": "127.0.0.1", "encryption_key": KEYS.encryption.hex() + "0"},
        ),
        ("POST", "/api/meters", {"name": "x", "ip_address": f"mqtt://a:{BROKER}@x", "password": LLS}),
        ("PATCH", "/api/meters/locked", {"password": LLS, "interval_s": -1}),
        ("PATCH", "/api/meters/locked", {"password": LLS}),
        ("POST", "/api/login", {"name": PERSON, "password": PERSON}),
        ("POST", "/api/login", {"name": "ann", "password": "wrong", PERSON: 1}),
        ("POST", "/api/users", {"name": "bob", "role": "viewer", "password": PERSON}),
        ("POST", "/api/meters/locked/set?wait=5", _set(15, 7, f"octet-string:{LLS.encode().hex()}")),
        ("POST", "/api/meters/locked/set?wait=5", _set(8, 3, "int16:0")),
        ("POST", "/api/meters/ciphered/test?wait=10", None),
        ("POST", "/api/meters/wrong/test?wait=2", None),
        ("GET", f"/api/meters?access_token={client.token}", None),
    ]
    for method, path, body in bodies:
        status, _ = client.call(method, path, body, keep=PERSON not in json.dumps(body) or "login" not in path)
        assert status < 500, (path, status)

    def told() -> bool:
        document = json.loads(client.call("GET", "/api/meters/wrong/diagnostics")[1])
        return any(row["frames"] for row in document["diagnostics"])

    wait_until(told, 15, "a diagnostic of the meter with the wrong password")


def _set(class_id: int, attribute: int, value: str) -> dict[str, object]:
    return {"class": class_id, "obis": "0-0:40.0.0", "attribute": attribute, "value": value}


def _walk(client: Client) -> None:
    """Ask for everything that can be asked for."""
    asked = 0
    for area in AREAS:
        for route in area.routes:
            if route.method != "GET":
                continue
            path = ("/api" if area.prefixed else "") + route.path
            for place, value in (("<meter>", "wrong"), ("<user>", "ann"), ("<asset>", "x")):
                path = path.replace(place, value)
            status, _ = client.call("GET", re.sub("<[^>]*>", "1", path))
            assert status < 500 or path == "/ready", (path, status)
            asked += 1
    assert asked > 20
    for path in ("/api/meters/export?format=yaml", "/api/meters/export?format=csv", "/api/commands/1"):
        client.call("GET", path)


def _outputs(system: System, fleet: Fleet, client: Client, home: Path) -> None:
    """Keep what meterctl prints and writes, too."""
    commands = (("diagnose", "wrong", "--json"), ("config", "check"), ("export", "--format", "yaml"))
    for words in commands:
        done = system.cli(*words, code=None)
        client.answers.append((" ".join(words), (done.stdout + done.stderr).encode()))
    password = home / "lls"
    password.write_text(LLS, encoding="utf-8")
    line = ("--host", "127.0.0.1", "--client-id", "1", "--auth", "lls", "--password-file", str(password))
    target = home / "capture.jsonl"
    port = ("--port", str(fleet.meters["refusing"].port))
    done = system.cli("capture", *line, *port, "--trace", "--output", str(target), "3/1-1:1.8.0/2", code=None)
    client.answers.append(("capture", target.read_bytes() + (done.stdout + done.stderr).encode()))


def _excepted(system: System) -> list[Path]:
    """Return the files that must hold secrets: what the operator wrote, the key, what processes are handed."""
    return [
        *(system.state / "bridge.toml", system.state / "master.key", system.paths.routes),
        *system.paths.workers.iterdir(),
    ]


def _check_exceptions(given: Given, system: System) -> None:
    """Files that must hold secrets are ours alone, in directories that are ours alone."""
    for path in _excepted(system):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    for directory in (
        system.paths.run,
        system.paths.workers,
        system.paths.log,
        system.paths.outbox,
        system.paths.journal,
    ):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700, directory
    assert {leak.name for leak in given.planted.in_files(system.paths.workers)} >= {"lls", "wrong lls"}


def _check_the_eye(planted: Planted, system: System) -> None:
    """What is put where nothing may be is found, in every form."""
    texts: dict[str, bytes] = {
        "plain": LLS.encode(),
        "hex": LLS.encode().hex().upper().encode(),
        "base64": base64.b64encode(f"x{LLS}y".encode()),
        "utf-16": LLS.encode("utf-16-le"),
        "raw key": KEYS.encryption,
        "hex key": KEYS.authentication.hex().encode(),
    }
    for name, octets in texts.items():
        trap = system.paths.log / f"trap-{name.replace(' ', '-')}"
        trap.write_bytes(b"before " + octets + b" after")
        assert any(leak.where == str(trap) for leak in planted.in_files(system.paths.log)), name
        trap.unlink()
    assert list(planted.in_files(system.paths.log)) == []
    assert Leak("lls", "plain", "here") in list(planted.look(LLS.encode(), "here"))
