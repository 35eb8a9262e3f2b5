"""The chaos proxy from outside: a process that is started here, and its links as objects."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, cast

ROOT: Final = Path(__file__).parents[2]
END_S: Final = 5.0


class Link:
    """One link of the proxy, or all of them (``*``)."""

    def __init__(self, proxy: "ProxyProcess", name: str, port: int) -> None:
        self.name = name
        self.port = port
        self._proxy = proxy

    def bend(self, *, up: dict[str, float] | None = None, down: dict[str, float] | None = None) -> None:
        """Bend its directions (fields of ``proxy.Bend``); what is not named is straight."""
        self._proxy.do("bend", link=self.name, up=up, down=down)

    def both(self, **bend: float) -> None:
        """Bend both directions alike."""
        self.bend(up=bend, down=bend)

    def gate(self, gate: str) -> None:
        """Say what clients get: open, refused, reset, mute."""
        self._proxy.do("gate", link=self.name, gate=gate)

    def reset(self) -> int:
        """RST to both sides of what is connected; return how many connections that were."""
        return cast("int", self._proxy.do("cut", link=self.name, how="reset")["connections"])

    def vanish(self) -> int:
        """The peer is gone, the client is not told; return how many connections that were."""
        return cast("int", self._proxy.do("cut", link=self.name, how="vanish")["connections"])

    def mend(self) -> None:
        """Everything straight and open; a connection in which octets were swallowed stays so."""
        self.bend()
        self.gate("open")

    def status(self) -> dict[str, int]:
        """Return its counts: connections (now), connected (ever), up, down (octets), resets."""
        return cast("dict[str, int]", self._proxy.do("status", link=self.name))


class ProxyProcess:
    """The proxy as a process of its own; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.links: dict[str, Link] = {}

    def __enter__(self) -> "ProxyProcess":
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.chaos.proxy"],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def do(self, do: str, **details: object) -> dict[str, object]:
        """Give a command; return its answer, which is no error."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        process.stdin.flush()
        answer = cast("dict[str, object]", json.loads(process.stdout.readline()))
        assert "error" not in answer, answer
        return answer

    def link(self, name: str, port: int, host: str = "127.0.0.1") -> Link:
        """Open a link to a port; return it."""
        answer = self.do("listen", link=name, to=[host, port])
        self.links[name] = Link(self, name, cast("int", answer["port"]))
        return self.links[name]

    @property
    def all(self) -> Link:
        """Return all links as one."""
        return Link(self, "*", 0)
