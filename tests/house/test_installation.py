"""What is installed: the console scripts start, lean; the wheel holds the five packages and nothing else."""

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from admin_api.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PACKAGES = ("common", "poller", "publisher", "supervisor_qos", "admin_api")
SCRIPTS = sorted(point.name for point in entry_points(group="console_scripts") if point.value.split(".")[0] in PACKAGES)
LIMIT_S = 60


def _run(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=LIMIT_S, cwd=cwd, check=False
    )


def test_all_programs_are_installed() -> None:
    assert SCRIPTS == [
        "dlms-notifier",
        "dlms-poller",
        "dlms-publisher",
        "dlms-scanner",
        "dlms-supervisor-qos",
        "meterctl",
    ]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_program_tells_how_it_is_used(script: str, tmp_path: Path) -> None:
    done = _run(BIN / script, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert script in done.stdout
    assert list(tmp_path.iterdir()) == [], "asking for help leaves nothing behind"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_meterctl_tells_how_it_is_used(command: str, tmp_path: Path) -> None:
    done = _run(BIN / "meterctl", command, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("admin_api.cli.main", ("sqlalchemy", "flask", "rich", "zmq", "cryptography", "poller")),
        (
            "poller.main",
            ("sqlalchemy", "flask", "paho", "prometheus_client", "sqlite3", "asyncio", "click", "argparse"),
        ),
        ("publisher.main", ("sqlalchemy", "flask", "prometheus_client", "poller")),
        ("supervisor_qos.main", ("flask", "paho", "prometheus_client", "poller", "alembic")),
        *(
            (f"admin_api.cli.{name}", ("flask", "rich", "zmq", "sqlalchemy", "pydantic", "cryptography", "poller"))
            for name in ("listing", "status", "health", "follow")
        ),
    ],
)
def test_a_program_loads_only_what_it_needs(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted({set(heavy)!r} & set(sys.modules)))"
    done = _run(sys.executable, "-P", "-c", code, cwd=Path("/"))
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_plain_names_are_ours_alone() -> None:
    owners = packages_distributions()
    foreign = {owner for name in PACKAGES for owner in owners.get(name, ())} - {"dlms-bridge"}
    assert foreign == set()


@pytest.mark.slow
def test_the_wheel_holds_the_five_packages_and_what_they_need(tmp_path: Path) -> None:
    source = tmp_path / "source"
    out = tmp_path / "out"
    copytree(
        ROOT, source, ignore=ignore_patterns(".*", "state", "build", "dist", "*.egg-info", "__pycache__"), symlinks=True
    )
    done = _run(
        sys.executable,
        *("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"),
        *("--disable-pip-version-check", "--wheel-dir", out, source),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = out.iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    missing = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and str(path.relative_to(ROOT)) not in names
    ]
    assert missing == [], "a file of a package is in the wheel"
