"""`python -m tests.fuzz.guided`: a fuzzer that follows the branches it reaches (atheris), against each target in turn.

Goes in: seconds, targets. Comes out: exit code 1 and the input, when a target does what it must not; where atheris is
not installed (it has wheels for CPython 3.11 to 3.13 on Linux and macOS), a line that says so, and 0. Its mutants are
those of libFuzzer; ours are the seeds. The first five octets of an input are its choice, as a number and padding.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Final

SECONDS: Final = 60
SEEDS: Final = 64
LONGEST: Final = 4_096
HANGS_S: Final = 20
HOST_MIB: Final = 1_024
_HEAD: Final = 4


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target; libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["poller.dlms", "poller.capture", "poller.redaction"]):
        from tests.fuzz.campaign import TARGETS
        from tests.fuzz.targets import Case
        from tests.fuzz.trial import outcome_of
    target = TARGETS[name]

    def one(octets: bytes) -> None:
        case = Case(octets[_HEAD:], int.from_bytes(octets[:_HEAD], "big"))
        _, wrong = outcome_of(target, case)
        if wrong:
            raise AssertionError(f"{name}: {wrong}: {case.octets.hex()} choice {case.choice}")

    with tempfile.TemporaryDirectory() as folder:
        chance = Random(name)
        for number in range(SEEDS):
            case = target.make(chance.random, chance.getrandbits)
            (Path(folder) / str(number)).write_bytes(case.choice.to_bytes(_HEAD, "big") + case.octets)
        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-timeout={HANGS_S}"]
        atheris.Setup(["guided", *options, f"-rss_limit_mb={HOST_MIB}", f"-artifact_prefix={folder}/", folder], one)
        atheris.Fuzz()


def main() -> int:
    """Fuzz each target in a process of its own; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for all targets together")
    parser.add_argument("--target", help="this one alone, in this process")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (no wheel for this Python): no coverage-guided fuzzing")
        return 0
    if given.target:
        fuzz(given.target, given.seconds)
        return 0
    from tests.fuzz.campaign import TARGETS

    each = str(max(1, given.seconds // len(TARGETS)))
    failed = 0
    for name in TARGETS:
        command = [sys.executable, "-m", "tests.fuzz.guided", "--seconds", each, "--target", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        failed += done.returncode != 0
        said = done.stderr.splitlines()
        print(f"{name}: {'found something' if done.returncode else next(reversed(said), '')}", flush=True)
        if done.returncode:
            print("\n".join((done.stdout.splitlines() + said)[-30:]))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
