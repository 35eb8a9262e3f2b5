"""Clients of an API: `python -m tests.bench.api_clients PORT TOKEN RATE SECONDS STREAMS METERS`, a process of its own.

Mixed reads at a fixed rate over connections that are kept, and streams of live values beside them. A request is due at
its time whether or not the one before it was answered, and its latency counts from then: a stalled server cannot hide.
Prints one JSON document: latencies by path, answers that were no 200, what the streams got.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Final

CONNECTIONS: Final = 25
TIMEOUT_S: Final = 30.0
STREAM_LINES: Final = 1 << 16  # octets of one line of a stream, at most
PATHS: Final = (
    "/api/meters?limit=100",
    "/api/meters/{meter}",
    "/api/meters/{meter}/status",
    "/api/meters/{meter}/metrics",
    "/api/meters/{meter}/readings?limit=60",
    "/api/alarms?limit=50",
    "/api/metrics/summary",
    "/api/system/health",
    "/api/system/status",
    "/metrics",
)


@dataclass(slots=True)
class Answers:
    """What the clients saw. ``latencies_ms``: by path, from when a request was due to the last octet of its answer."""

    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    events: list[int] = field(default_factory=list)
    broken_streams: int = 0


@dataclass(slots=True)
class Clients:
    """One run against one API."""

    port: int
    token: str
    rate: float
    seconds: float
    meters: int
    answers: Answers = field(default_factory=Answers)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, streams: int) -> Answers:
        """Ask and listen until the time is over."""
        began = time.monotonic() + 1.0
        threads = [threading.Thread(target=self._ask, args=(began, place)) for place in range(CONNECTIONS)]
        threads += [threading.Thread(target=self._listen, args=(began + self.seconds,)) for _ in range(streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.answers

    def _ask(self, began: float, place: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        for number in range(place, int(self.rate * self.seconds), CONNECTIONS):
            due = began + number / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            path = PATHS[number % len(PATHS)]
            status = self._get(connection, path.format(meter=number // len(PATHS) % self.meters + 1))
            with self._lock:
                self.answers.latencies_ms.setdefault(path, []).append(1000 * (time.monotonic() - due))
                if status != str(int(http.HTTPStatus.OK)):
                    self.answers.refused[f"{status} {path}"] = self.answers.refused.get(f"{status} {path}", 0) + 1
        connection.close()

    def _get(self, connection: http.client.HTTPConnection, path: str) -> str:
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return type(error).__name__
        return str(answer.status)

    def _listen(self, until: float) -> None:
        """Follow live values; a stream that ends is opened again, as a browser does."""
        events = 0
        while time.monotonic() < until:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
            try:
                for line in self._stream(connection, until):
                    events += line.startswith(b"data:")
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.answers.broken_streams += 1
                time.sleep(1.0)
            finally:
                connection.close()
        with self._lock:
            self.answers.events.append(events)

    def _stream(self, connection: http.client.HTTPConnection, until: float) -> Iterator[bytes]:
        """Return the lines of a stream until it says that it ends; one that ends without a word is broken."""
        connection.request("GET", "/api/events", headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise ConnectionError(answer.status)
        while time.monotonic() < until:
            line = answer.readline(STREAM_LINES)
            if not line:
                raise ConnectionError("the stream broke off")
            if line.startswith(b"event: end"):
                return
            yield line


def main() -> None:
    """Run as the command line says."""
    port, token, rate, seconds, streams, meters = sys.argv[1:]
    clients = Clients(int(port), token, float(rate), float(seconds), int(meters))
    print(json.dumps(asdict(clients.run(int(streams)))))


if __name__ == "__main__":
    main()
