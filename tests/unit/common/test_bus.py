"""The bus on real sockets in one process: who binds, who hears, what is refused, what a restart costs."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from common.bus import (
    HEARTBEATS,
    PUBLISHER_HEARTBEATS,
    READINGS,
    BusUnavailable,
    Inbound,
    PublisherBus,
    SupervisorBus,
    WorkerBus,
)

UID, OTHER = bytes(16), bytes(range(16))
LIMIT_S = 5.0


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[PublisherBus]:
    with closing(PublisherBus(tmp_path)) as bus:
        yield bus


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[SupervisorBus]:
    with closing(SupervisorBus(tmp_path)) as bus:
        yield bus


def connected(directory: Path, publisher: PublisherBus, uid: bytes = UID) -> WorkerBus:
    """Return a worker whose subscription has come; the publisher must look for that."""
    worker = WorkerBus(directory, uid)
    limit = time.monotonic() + LIMIT_S
    while not worker.wait_for_subscription(0.01):
        publisher.wait(0.01)
        assert time.monotonic() < limit
    return worker


def heard(publisher: PublisherBus, count: int) -> list[bytes]:
    messages: list[bytes] = []
    limit = time.monotonic() + LIMIT_S
    while len(messages) < count and time.monotonic() < limit:
        messages += publisher.wait(0.05).messages
    return messages


def answered(worker: WorkerBus) -> list[Inbound]:
    """Return what comes back first; a subscription may wake the worker before."""
    limit = time.monotonic() + LIMIT_S
    while time.monotonic() < limit:
        if inbound := worker.wait(0.5):
            return inbound
    return []


def test_readings_and_heartbeats_reach_the_publisher_in_order(tmp_path: Path, publisher: PublisherBus) -> None:
    with closing(connected(tmp_path, publisher)) as worker:
        for number in range(20):
            worker.publish(READINGS if number % 2 else HEARTBEATS, b"%d" % number)
        assert heard(publisher, 20) == [b"%d" % number for number in range(20)]


def test_the_way_back_leads_to_one_worker(tmp_path: Path, publisher: PublisherBus) -> None:
    with closing(connected(tmp_path, publisher)) as one, closing(connected(tmp_path, publisher, OTHER)) as two:
        assert one.to_publisher(b"one")
        assert two.to_publisher(b"two")
        assert sorted(heard(publisher, 2)) == [b"one", b"two"]
        assert publisher.to_worker(OTHER, b"for two")
        assert answered(two) == [Inbound("publisher", b"for two")]
        assert one.wait(0.0) == []


def test_an_absent_worker_is_told_by_the_answer(publisher: PublisherBus, supervisor: SupervisorBus) -> None:
    assert not publisher.to_worker(UID, b"anybody?")
    assert not supervisor.to_worker(UID, b"anybody?")


def test_a_worker_that_takes_the_place_of_another_gets_its_messages(tmp_path: Path, publisher: PublisherBus) -> None:
    with closing(connected(tmp_path, publisher)) as old:
        assert old.to_publisher(b"old")
        assert heard(publisher, 1) == [b"old"]
    with closing(connected(tmp_path, publisher)) as new:
        assert new.to_publisher(b"new")
        assert heard(publisher, 1) == [b"new"]
        assert publisher.to_worker(UID, b"you")
        assert answered(new) == [Inbound("publisher", b"you")]


def test_the_supervisor_hears_all_processes_and_commands_go_back(
    tmp_path: Path, publisher: PublisherBus, supervisor: SupervisorBus
) -> None:
    with closing(connected(tmp_path, publisher)) as worker:
        limit, seen = time.monotonic() + LIMIT_S, set[tuple[bytes, bytes]]()
        while len(seen) < 4 and time.monotonic() < limit:
            worker.publish(READINGS, b"reading")
            worker.publish(HEARTBEATS, b"beat")
            publisher.publish_heartbeat(b"publisher")
            worker.to_supervisor(b"result")
            seen |= {(item.topic, item.octets) for item in supervisor.receive(0.05)}
        beats = {(HEARTBEATS, b"beat"), (PUBLISHER_HEARTBEATS, b"publisher")}
        assert seen == beats | {(READINGS, b"reading"), (b"", b"result")}
        assert supervisor.to_worker(UID, b"command")
        assert answered(worker) == [Inbound("supervisor", b"command")]


def test_sends_never_block_without_anybody(tmp_path: Path) -> None:
    worker = WorkerBus(tmp_path, UID)
    started = time.monotonic()
    for _ in range(3000):
        worker.publish(READINGS, bytes(100))
    accepted = sum(worker.to_publisher(bytes(100)) for _ in range(3000))
    assert accepted <= 1000
    assert not worker.wait_for_subscription(0.0)
    assert time.monotonic() - started < 2.0
    for socket in (worker._out, worker._publisher, worker._supervisor):
        socket.close(0)
    worker._context.term()


def test_foreign_sockets_wake_the_publisher(publisher: PublisherBus) -> None:
    reader, writer = os.pipe()
    try:
        assert publisher.wait(0.0, [reader], [writer]).writable == {writer}
        os.write(writer, b"x")
        assert publisher.wait(LIMIT_S, [reader]).readable == {reader}
    finally:
        os.close(reader)
        os.close(writer)


def test_a_publisher_that_comes_back_is_found_again(tmp_path: Path) -> None:
    first = PublisherBus(tmp_path)
    with closing(connected(tmp_path, first)) as worker:
        first.close()
        with closing(PublisherBus(tmp_path)) as second:
            limit, messages = time.monotonic() + LIMIT_S, list[bytes]()
            while not messages and time.monotonic() < limit:
                worker.publish(READINGS, b"again")
                messages = second.wait(0.05).messages
            assert messages


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BusUnavailable, match=r"nowhere/pub\.in"):
        PublisherBus(tmp_path / "nowhere")
