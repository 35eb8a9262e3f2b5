"""Heartbeats: a snapshot that copes with a sender that leaves fields out, and refuses fields of another form."""

from dataclasses import fields
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.heartbeat import (
    MAX_DETAIL,
    MAX_ENTRIES,
    MAX_EPOCHS,
    BadHeartbeat,
    Delivery,
    EpochSpan,
    PublisherBeat,
    WorkerBeat,
)
from common.meter_state import MeterState

SPAN = EpochSpan(b"epoch-01", 3, 9)
WORKER = WorkerBeat(
    pid=7,
    started_boot_ms=5,
    state=MeterState.ACTIVE,
    cause="ok",
    interval_s=2.0,
    spans=(SPAN,),
    counters={"taken": 9},
    gauges={"cycle_ms_last": 1.5},
    facts={"breaker": "closed"},
    conditions={"disk": "full"},
)
PUBLISHER = PublisherBeat(pid=8, instance=b"i", meters={bytes(16): Delivery(1, 2, 3)}, targets={"t": ("online", "")})


def test_a_workers_heartbeat_comes_out_as_it_went_in() -> None:
    assert WorkerBeat.from_body(WORKER.to_body()) == WORKER


def test_the_publishers_heartbeat_comes_out_as_it_went_in() -> None:
    assert PublisherBeat.from_body(PUBLISHER.to_body()) == PUBLISHER


def test_fields_left_out_have_their_default_and_unknown_ones_are_passed_over() -> None:
    assert WorkerBeat.from_body({"pid": 3, "mood": "good"}) == WorkerBeat(pid=3)
    assert PublisherBeat.from_body({}) == PublisherBeat()


def test_what_can_grow_is_cut() -> None:
    beat = WorkerBeat(detail="x" * 10_000, spans=(SPAN,) * 100)
    again = WorkerBeat.from_body(beat.to_body())
    assert len(again.detail) == MAX_DETAIL
    assert len(again.spans) == MAX_EPOCHS


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "a map"),
        ([1], "a map"),
        ({"pid": "7"}, "pid: int"),
        ({"state": "dreaming"}, "state: 'dreaming'"),
        ({"spans": [[1, 2, 3]]}, "spans: rows"),
        ({"spans": [[b"e", 2]]}, "spans: rows"),
        ({"spans": {}}, "spans: tuple"),
        ({"counters": []}, "counters: dict"),
        ({"cause": 1}, "cause: str"),
        ({"interval_s": "2"}, "interval_s: float"),
    ],
)
def test_a_worker_of_another_form_is_refused_by_name(body: object, words: str) -> None:
    with pytest.raises(BadHeartbeat, match=words):
        WorkerBeat.from_body(body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"meters": {"text": [0] * 8}}, "meters: uid"),
        ({"meters": {bytes(16): [0] * 7}}, "meters: uid"),
        ({"meters": {bytes(16): 5}}, "meters: uid"),
        ({"meters": {bytes(16): ["a"] * 8}}, "meters: uid"),
        ({"targets": {"t": "online"}}, "targets: name"),
        ({"targets": {"t": ["online"]}}, "targets: name"),
        ({"instance": "text"}, "instance: bytes"),
    ],
)
def test_a_publisher_of_another_form_is_refused_by_name(body: object, words: str) -> None:
    with pytest.raises(BadHeartbeat, match=words):
        PublisherBeat.from_body(body)


@pytest.mark.parametrize("kind", [WorkerBeat, PublisherBeat])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counters", {"taken": "9"}),
        ("counters", {"taken": 9.0}),
        ("counters", {"taken": True}),
        ("counters", {b"taken": 9}),
        ("counters", {str(number): number for number in range(MAX_ENTRIES + 1)}),
        ("gauges", {"outbox_rows": None}),
        ("gauges", {"outbox_rows": float("nan")}),
        ("gauges", {"outbox_rows": float("inf")}),
        ("conditions", {"disk": 1}),
        ("conditions", {1: "full"}),
        ("conditions", {"disk": ["full"]}),
        ("pid", True),
    ],
)
def test_what_a_map_holds_is_of_its_kind(
    kind: type[WorkerBeat] | type[PublisherBeat], name: str, value: object
) -> None:
    with pytest.raises(BadHeartbeat, match=name):
        kind.from_body({name: value})


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.binary(), inner, max_size=4),
    max_leaves=10,
)


@pytest.mark.parametrize("kind", [WorkerBeat, PublisherBeat])
@given(data=st.data())
def test_whatever_a_body_holds_a_heartbeat_comes_out_or_it_is_refused(
    kind: type[WorkerBeat] | type[PublisherBeat], data: st.DataObject
) -> None:
    names = [item.name for item in fields(kind)]
    body = data.draw(st.dictionaries(st.sampled_from(names), PLAIN, max_size=4) | PLAIN)
    try:
        beat = kind.from_body(body)
    except BadHeartbeat:
        return
    assert kind.from_body(beat.to_body()) == beat
    assert all(isinstance(count, int) for count in beat.counters.values())
    assert all(isfinite(value) for value in beat.gauges.values())
    assert all(isinstance(text, str) for text in beat.conditions.values())
