"""On /metrics every reading is somewhere: taken = delivered + waiting + set aside + dropped, per meter and over all."""

from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
METERS = 3
WORKERS_OWN = frozenset({"disk_full"})  # never taken, so no part of the outbox's account
PARTS = {
    "dlms_meter_readings_taken_total": "taken",
    "dlms_meter_readings_delivered_total": "delivered",
    "dlms_meter_readings_waiting": "waiting",
    "dlms_meter_readings_set_aside": "set_aside",
    "dlms_meter_readings_dropped_total": "dropped",
    "dlms_outbox_readings": "waiting",
    "dlms_outbox_set_aside_readings": "set_aside",
    "dlms_publisher_readings_dropped_total": "dropped",
}


def accounts(system: System) -> dict[str, Counter[str]]:
    """Return the books that the page shows, by meter; those over all under an empty name."""
    with urlopen(f"http://127.0.0.1:{system.api_port}/metrics", timeout=10.0) as answer:
        page = answer.read().decode()
    books: dict[str, Counter[str]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            part = PARTS.get(sample.name)
            if sample.name == "dlms_publisher_readings_total":
                part = sample.labels["stage"]
            if part and sample.labels.get("reason") not in WORKERS_OWN:
                books.setdefault(sample.labels.get("meter", ""), Counter())[part] += round(sample.value)
    return books


def check(system: System) -> dict[str, Counter[str]]:
    books = accounts(system)
    assert len(books) == METERS + 1
    for name, count in books.items():
        rest = count["delivered"] + count["waiting"] + count["set_aside"] + count["dropped"]
        assert count["taken"] == rest, f"{name or 'all'}: {count}"
    return books


@pytest.mark.timeout(120)
def test_the_page_balances_before_during_and_after_an_outage(tmp_path: Path) -> None:
    with System(tmp_path, meters=METERS, interval_s=0.2) as system:
        system.wait_for_readings(5)
        wait_until(lambda: len(accounts(system)) == METERS + 1, 20, "the books of all meters")
        before = check(system)
        system.broker.stop()
        wait_until(lambda: all(book["waiting"] > METERS for book in check(system).values()), 30, "all to wait")
        during = check(system)
        assert during[""]["taken"] > before[""]["taken"]
        system.broker.start()
        wait_until(lambda: check(system)[""]["waiting"] < METERS * 2, 30, "the backlog to drain")
        after = check(system)
        assert after[""]["delivered"] >= during[""]["taken"]
        assert after[""]["dropped"] == 0
