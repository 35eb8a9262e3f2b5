"""A real Prometheus in a directory of its own, on loopback: what it scraped, which rules it evaluated.

In: a directory and a configuration as plain data. Out: answers of its HTTP API. It is ended by its process id.
"""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

import yaml

from tests.support.mosquitto import free_port, program
from tests.support.waiting import wait_until

START_S: Final = 15.0
STOP_S: Final = 10.0
CALL_S: Final = 10.0
Document = Mapping[str, Any]


class Prometheus:
    """A context manager; queries answer from the moment it is entered."""

    def __init__(self, directory: Path, configuration: Document) -> None:
        self.port = free_port()
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / "prometheus.yml"
        self._file.write_text(yaml.safe_dump(dict(configuration)), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Prometheus":
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self._file}",
                    f"--storage.tsdb.path={self._directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._is_ready, START_S, f"Prometheus: {self.log()}")
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)

    def log(self) -> str:
        """Return what it wrote so far."""
        return (self._directory / "log").read_text(encoding="utf-8", errors="replace")

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=CALL_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its API."""
        words = f"?{urllib.parse.urlencode(query)}" if query else ""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}{words}", timeout=CALL_S) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, expression: str) -> list[Document]:
        """Return the samples that an expression has now."""
        return cast("list[Document]", self.ask("query", query=expression)["result"])

    def value(self, expression: str) -> float | None:
        """Return the value of the only sample of an expression; None without one."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> list[Document]:
        """Return all rules with their health and state."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]
