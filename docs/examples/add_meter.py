"""Add a meter over the REST API, wait until it is read, and print what it measures. Standard library only.

    export DLMS_BRIDGE_TOKEN=dbt_…            # of role admin
    python add_meter.py "plant 7" 10.0.0.7 --port 3333 --client-id 1 --password-file secret.txt
    python add_meter.py "plant 7" 10.0.0.7 --tb-token A1_TEST_TOKEN --measurements voltage_l1 active_power

Run twice it changes nothing: a meter of that name is taken as it is. Exit code 0: read;
1: not read in time; 2: refused.
"""

import argparse
import http.client
import json
import os
import sys
import time
import urllib.parse
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

WAIT_S = 30.0
TIMEOUT_S = 40.0


class Refused(Exception):
    """The API answered with a problem."""

    def __init__(self, problem: dict[str, object]) -> None:
        where = f" ({problem['field']})" if "field" in problem else ""
        super().__init__(f"{problem.get('kind')}{where}: {problem.get('detail')}")
        self.kind = problem.get("kind")


class Bridge:
    """The few calls that this example needs."""

    def __init__(self, url: str, token: str) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Send a request and return its JSON answer; raise Refused, OSError or HTTPException."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        with closing(kind(self._url.netloc, timeout=TIMEOUT_S)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            answer = connection.getresponse()
            document = dict(json.load(answer))
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Refused(document)
        return document

    def add(self, meter: dict[str, object]) -> dict[str, object]:
        """Add a meter; return it, or the one that has its name already."""
        try:
            return self.call("POST", "/api/meters", meter)
        except Refused as error:
            if error.kind != "name_taken":
                raise
        return self.call("GET", f"/api/meters/{urllib.parse.quote(str(meter['name']), safe='')}")

    def first_values(self, number: object, wait_s: float) -> dict[str, object]:
        """Wait for a meter's values; return its status, with or without them."""
        until = time.monotonic() + wait_s
        status = self.call("GET", f"/api/meters/{number}/status")
        while not status["latest"] and time.monotonic() < until:
            time.sleep(1)
            status = self.call("GET", f"/api/meters/{number}/status")
        return status


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    options = _options(words)
    meter: dict[str, object] = {"name": options.name, "ip_address": options.ip_address}
    meter |= {key: value for key in ("port", "client_id", "model", "tb_token") if (value := getattr(options, key))}
    if options.password_file:
        meter["password"] = options.password_file.read_text(encoding="utf-8").strip()
    if options.measurements:
        meter["measurements"] = options.measurements
    bridge = Bridge(options.url, os.environ.get("DLMS_BRIDGE_TOKEN", ""))
    try:
        added = bridge.add(meter)
        print(f"{added['name']}: number {added['id']}, revision {added['revision']}")
        status = bridge.first_values(added["id"], options.wait)
    except (Refused, OSError, http.client.HTTPException) as error:
        print(f"add_meter: {error}", file=sys.stderr)
        return 2
    latest = status["latest"]
    if not isinstance(latest, dict):
        print(f"no values yet: {status['status']} {status['cause']} {status['detail']}".rstrip())
        return 1
    for key, value in latest["values"].items():
        print(f"{key} {value} {latest['units'].get(key, '')}".rstrip())
    return 0


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Add a meter over the REST API and show its first values.")
    parser.add_argument("name")
    parser.add_argument("ip_address")
    parser.add_argument("--url", default="http://127.0.0.1:5001", help="where the API listens")
    parser.add_argument("--port", type=int)
    parser.add_argument("--client-id", type=int)
    parser.add_argument("--model")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--tb-token", help="of a device in ThingsBoard")
    parser.add_argument("--measurements", nargs="+", help="names from GET /api/models")
    parser.add_argument("--wait", type=float, default=WAIT_S, help="seconds to wait for values")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
