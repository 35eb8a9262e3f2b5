"""The metrics page of a real gunicorn: kept fresh by a thread of the worker, and an error when the store is away."""

import gzip
import http.client
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from admin_api.metrics_page import FRESH_S, OLD_S
from common.settings import load
from common.store.engine import Store, open_from_settings
from common.vault import Vault
from tests.support.installation import wish
from tests.support.mosquitto import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
ROOT: Final = Path(__file__).parents[2]
SLACK_S: Final = 3.0  # of a machine that does other things
AT_ONCE: Final = 16


def test_the_page_is_kept_fresh_after_the_fork_and_is_an_error_when_the_store_is_away(tmp_path: Path) -> None:
    Vault.create(load(str(tmp_path), {}).paths.master_key)
    store = open_from_settings(load(str(tmp_path), {}))
    store.upgrade()
    store.meters.add(wish(), "test")
    with _served(tmp_path) as port:
        first = _made_at(_scrape(port)[1])
        again = wait_until(lambda: (at := _made_at(_scrape(port)[1])) != first and at, FRESH_S + SLACK_S, "a new page")
        assert again - first >= FRESH_S - 0.1, "at most one page each two seconds"
        assert _all_get_it_at_once(port) == {http.HTTPStatus.OK}
        _check_away(store, tmp_path / "store.db", port)
    store.close()


def _check_away(store: Store, file: Path, port: int) -> None:
    """While the store is away the page is old for a while, then an error, and there again with the store."""
    store.close()
    away = file.with_name("away.db")
    file.rename(away)
    wait_until(lambda: _scrape(port)[0] == http.HTTPStatus.SERVICE_UNAVAILABLE, OLD_S + SLACK_S, "503")
    status, body = _scrape(port)
    assert (status, b"store_unavailable" in body) == (http.HTTPStatus.SERVICE_UNAVAILABLE, True)
    away.rename(file)
    wait_until(lambda: _scrape(port)[0] == http.HTTPStatus.OK, FRESH_S + SLACK_S, "the page")


def _all_get_it_at_once(port: int) -> set[int]:
    """Return the statuses of many scrapes at the same time."""
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(_scrape(port)[0])) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == AT_ONCE
    return set(found)


def _scrape(port: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    packed = answer.headers.get("Content-Encoding") == "gzip"
    return answer.status, gzip.decompress(body) if packed else body


def _made_at(page: bytes) -> float:
    found = re.search(rb"^dlms_metrics_page_timestamp_seconds (\S+)$", page, re.MULTILINE)
    assert found is not None, page[:300]
    return float(found[1])


@contextmanager
def _served(state: Path) -> Iterator[int]:
    port, empty = free_port(), state / "empty"
    empty.mkdir()
    gunicorn = [str(Path(sys.executable).parent / "gunicorn"), "--config", str(ROOT / "deploy" / "gunicorn.conf.py")]
    process = subprocess.Popen(
        [*gunicorn, "--preload", "--workers", "1", "--bind", f"127.0.0.1:{port}", "admin_api.wsgi:app"],
        cwd=empty,
        env={**os.environ, "DLMS_BRIDGE_STATE": str(state)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _answers(port), 60, "the API")
        yield port
    finally:
        process.terminate()
        begun = time.monotonic()
        process.wait(20)
        assert time.monotonic() - begun < 10, "a thread that makes pages keeps nobody from ending"


def _answers(port: int) -> bool:
    try:
        return _scrape(port)[0] == http.HTTPStatus.OK
    except OSError:
        return False
