"""Every command of meterctl through the installed console script, on one live system; what it prints has its schema.

CASES goes through the commands in an order in which none spoils the next. A command that is tested elsewhere is in
ELSEWHERE; one that is in neither fails here.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import pytest
from jsonschema import Draft202012Validator

from admin_api.cli.main import COMMANDS
from common.settings import load
from common.store.engine import open_from_settings
from tests.house.schemas import DIRECTORY, PRINTED
from tests.house.test_commands import WITHOUT_JSON
from tests.support.command_tree import commands
from tests.support.mosquitto import free_port
from tests.support.system import BIN, Simulator, System, meterctl
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
METERS: Final = 100  # of the start-up's measurement
MOST_CPU_S: Final = 0.2  # user and system; 0.1 on a quiet machine, 0.4 when SQLAlchemy is loaded
ELSEWHERE: Final = {
    "run": "tests/integration/test_run.py",
    "simulate": "tests/integration/test_simulator.py",
    "listen": "tests/integration/test_cli_listen.py",
    "provision": "tests/integration/test_provision.py",
    "restore": "tests/integration/test_meterctl_store.py",
    "rotate-key": "tests/integration/test_meterctl_store.py",
}


@dataclass(frozen=True)
class Live:
    """A system, a meter that it does not know, and files to work with."""

    system: System
    lone: Simulator
    files: Path

    def words(self, template: str) -> list[str]:
        """Fill in what is only known now."""
        lone = f"--host 127.0.0.1 --port {self.lone.port('sim-1')} --client-id 1 --auth lls"
        if "{job}" in template:
            jobs = cast("list[dict[str, str]]", self.system.cli_json("jobs"))
            template = template.replace("{job}", jobs[0]["id"])
        found = template.replace("{lone}", lone).replace("{files}", str(self.files))
        found = found.replace("{port}", str(self.lone.port("sim-1")))
        return found.replace("{free}", str(free_port())).split()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    directory = tmp_path_factory.mktemp("commands")
    files = directory / "files"
    files.mkdir()
    (files / "password").write_text("a long enough password\n", encoding="utf-8")
    (files / "password").chmod(0o600)
    lone = Simulator(directory / "lone", 1)
    lone.start()
    try:
        with System(directory, meters=2, settings={"scan": {"allow": "127.0.0.1/32"}}) as started:
            started.wait_for_readings(1)
            yield Live(started, lone, files)
    finally:
        lone.stop()


Prepare = Callable[[Live], object]


@dataclass(frozen=True)
class Case:
    """One call: words behind the command, the exit code, the schema's name where it is not the command's."""

    words: str = ""
    code: int = 0
    schema: str = ""
    prepare: Prepare | None = None


def _an_alarm(live: Live) -> None:
    live.system.cli("add", "nowhere", "--host", "127.0.0.1", "--port", str(free_port()))
    wait_until(live.system.alarms, 20, "the alarm of a meter that nobody reaches")


def _a_file(live: Live) -> None:
    live.system.cli("export", "--output", str(live.files / "meters.csv"), "--format", "csv")


CASES: Final[dict[str, Case | tuple[Case, ...]]] = {
    "init": Case(),
    "add": Case("added --host 127.0.0.1 --port {free} --paused"),
    "edit": Case("added --interval 5"),
    "list": Case(),
    "status": (Case("sim-1"), Case("added")),
    "follow": Case("sim-1 --count 2"),
    "logs": (Case("sim-1 -n 3"), Case("publisher --limit 3"), Case("nobody", 2, "error")),
    "read": (Case("sim-1"), Case("sim-1 added", 1), Case("{lone} 1-1:32.7.0 1-1:99.99.9", 1, "read-host")),
    "test": Case("sim-1"),
    "backfill": Case("sim-1 --from 1h"),
    "discover": Case("sim-1"),
    "scan": (Case("127.0.0.1 --port {port}"), Case("192.0.2.0/24", 2, "error")),
    "jobs": Case(),
    "jobs list": Case("--limit 1"),
    "jobs show": Case("{job}"),
    "jobs cancel": Case("{job}", 1),
    "restart": Case("sim-2"),
    "pause": Case("sim-2"),
    "resume": Case("sim-2"),
    "stop": Case("sim-2"),
    "start": Case("sim-2"),
    "health": (Case(code=-1), Case("--minutes 5", code=-1)),
    "alarms": Case(prepare=_an_alarm),
    "alarms list": Case("--all --since 1h --limit 5"),
    "alarms ack": Case("1"),
    "report": Case("--minutes 5", code=-1),
    "diagnose": (Case("sim-1", code=-1), Case("nowhere", 1)),
    "action-plan": Case(code=1),
    "audit": Case(),
    "outbox list": Case(),
    "outbox retry": Case("sim-1", 1),
    "outbox drop": Case("sim-1 7 --yes", 1),
    "token create": Case("--role viewer --label walk"),
    "token list": Case(),
    "token revoke": Case("2 --yes"),
    "user add": Case("walker --role operator --password-file {files}/password"),
    "user list": Case(),
    "user role": Case("walker viewer"),
    "user password": Case("walker --password-file {files}/password"),
    "user disable": Case("walker"),
    "user enable": Case("walker"),
    "user remove": Case("walker --yes"),
    "export": Case("sim-1"),
    "import": (Case("{files}/meters.csv --dry-run", prepare=_a_file), Case("{files}/meters.csv --upsert")),
    "config check": Case(),
    "objects": Case("{lone}"),
    "profile": Case("{lone} 1-0:99.1.0 --last 2"),
    "clock": Case("{lone}"),
    "set": Case("{lone} 8/0-0:1.0.0/3 int16:60"),
    "action": Case("{lone} 70/0-0:96.3.10/1 int8:0"),
    "capture": Case("{lone} --output {files}/walk.jsonl 1-1:32.7.0"),
    "decode": (Case("--file {files}/walk.jsonl"), Case("7EA00A000200230002617E", 1)),
    "completion": Case("bash"),
    "migrate": Case("--check"),
    "backup": Case("{files}/walk.tar"),
    "remove": Case("added nowhere --purge"),
}


def _calls() -> Iterator[tuple[str, Case]]:
    for name, cases in CASES.items():
        for case in (cases,) if isinstance(cases, Case) else cases:
            yield name, case


def _validate(name: str, printed: str) -> None:
    schema = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    documents = [json.loads(line) for line in printed.splitlines()] if PRINTED[name].lines else [json.loads(printed)]
    assert documents
    for document in documents:
        faults = [error.message for error in Draft202012Validator(schema).iter_errors(document)]
        assert faults == [], json.dumps(document)[:2000]


def test_every_command_is_called_here_or_named_with_its_test() -> None:
    called = {name for name, _ in _calls()}
    leaves = {name for name, _ in commands()}
    assert leaves - called - set(ELSEWHERE) == set()
    root = Path(__file__).parents[2]
    for name, place in ELSEWHERE.items():
        assert name.split()[0] in (root / place).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "case"), [pytest.param(*call, id=f"{call[0]} {call[1].words}") for call in _calls()])
def test_a_command_does_its_work_and_prints_what_its_schema_says(name: str, case: Case, live: Live) -> None:
    if case.prepare is not None:
        case.prepare(live)
    as_json = [] if name in WITHOUT_JSON else ["--json"]
    first, *rest = name.split()
    done = live.system.cli(first, *rest, *live.words(case.words), *as_json, code=None)
    assert done.returncode == case.code or (case.code < 0 and done.returncode in {0, 1}), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    if case.schema == "error":
        _validate("error", done.stderr)
    elif as_json:
        _validate(case.schema or name.replace(" ", "-"), done.stdout)
    else:
        assert done.stdout


# what a shell asks


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with a hundred meters, nothing running."""
    state = tmp_path_factory.mktemp("many") / "state"
    assert meterctl(state, "init").returncode == 0
    assert meterctl(state, "add", "meter-0", "--host", "192.0.2.1").returncode == 0
    store = open_from_settings(load(str(state), {}))
    wish = store.meters.by_name("meter-0").wish
    for number in range(1, METERS):
        store.meters.add(replace(wish, name=f"meter-{number}", port=wish.port + number), "test")
    store.close()
    return state


@pytest.mark.parametrize("words", [("list",), ("status", "meter-7")])
def test_list_and_status_start_quickly(words: tuple[str, ...], many: Path) -> None:
    walls, times = [], []
    for _ in range(20):
        before, begin = _cpu_s(), time.perf_counter()
        done = meterctl(many, *words)
        walls.append(time.perf_counter() - begin)
        times.append(_cpu_s() - before)
        assert done.returncode in {0, 1}
    print(f"{' '.join(words)}: wall {statistics.median(walls) * 1000:.0f} ms, cpu {min(times) * 1000:.0f} ms")
    assert min(times) < MOST_CPU_S, "somebody loads what who only looks does not need"


def _cpu_s() -> float:
    """Return the processor time of all processes that were ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _completed(state: Path, *words: str) -> list[str]:
    """Return what bash would offer: its own completion function, called as it calls it."""
    script = (
        'eval "$(meterctl completion bash)"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        'COMPREPLY=(); _meterctl_completion meterctl; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "DLMS_BRIDGE_STATE": str(state)}
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", "-", *words],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_and_names(many: Path, tmp_path: Path) -> None:
    assert _completed(many, "meterctl", "al") == ["alarms"]
    assert set(_completed(many, "meterctl", "re")) == {name for name in COMMANDS if name.startswith("re")}
    assert _completed(many, "meterctl", "alarms", "list", "--se") == ["--severity"]
    assert _completed(many, "meterctl", "alarms", "list", "--severity", "cr") == ["critical"]
    assert _completed(many, "meterctl", "status", "meter-9") == ["meter-9", *(f"meter-9{n}" for n in range(10))]
    assert _completed(tmp_path, "meterctl", "status", "meter") == [], "no installation, no names and no complaint"
    assert _completed(tmp_path, "meterctl", "--state", str(many), "status", "meter-42") == ["meter-42"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shells_script_is_what_that_shell_takes(shell: str, tmp_path: Path) -> None:
    done = meterctl(tmp_path, "completion", shell)
    assert done.returncode == 0
    assert "_METERCTL_COMPLETE" in done.stdout
    found = next((path for path in (Path("/bin") / shell, Path("/usr/bin") / shell) if path.exists()), None)
    if found is not None:
        checked = subprocess.run(
            [str(found), "-n"], input=done.stdout, capture_output=True, text=True, timeout=30, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


# what goes wrong


def test_without_the_product_a_worker_is_not_waited_for(many: Path) -> None:
    begin = time.monotonic()
    done = meterctl(many, "read", "meter-1", "--json")
    assert time.monotonic() - begin < 15
    assert done.returncode == 2
    _validate("error", done.stderr)
    error = cast("dict[str, dict[str, str]]", json.loads(done.stderr))["error"]
    assert (error["kind"], "meterctl run" in error["hint"]) == ("not_running", True)
    pending = meterctl(many, "backfill", "meter-1", "--from", "1h", "--no-wait")
    assert pending.returncode == 0, "what nobody waits for may lie until the product runs"


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="a user with two faces is needed")
def test_another_users_directory_is_told_whose_it_is(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 65534, -1)
    words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", str(BIN / "meterctl"), "--state", str(state), "list"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("meterctl: not_permitted: ")
    assert f"{state} belongs to nobody" in done.stderr


def test_a_port_that_is_taken_is_named(many: Path, live: Live) -> None:
    words = {**os.environ, "DLMS_BRIDGE_API_PORT": str(live.system.api_port)}
    done = subprocess.run(
        [str(BIN / "meterctl"), "run", "--state", str(many)],
        capture_output=True,
        text=True,
        timeout=60,
        env=words,
        check=False,
    )
    assert done.returncode == 75
    assert f"port_taken: api: 127.0.0.1:{live.system.api_port}" in done.stderr
