"""Anything from the bus: an envelope, or one of three errors, and nothing else."""

from contextlib import suppress

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from common.command import BadCommand, Command, CommandResult
from common.envelope import BadEnvelope, Envelope, Kind, UnknownKind, UnknownVersion, decode, encode
from common.heartbeat import BadHeartbeat, PublisherBeat, WorkerBeat
from common.reading import BadReading, Reading

leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text() | st.binary()
data = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner), max_leaves=20
)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
envelopes = st.builds(
    Envelope,
    st.sampled_from(Kind),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=8, max_size=8),
    bodies,
)


@given(envelopes)
def test_every_envelope_comes_back(envelope: Envelope) -> None:
    assert decode(encode(envelope)) == envelope


@given(st.binary())
def test_any_octets_are_an_envelope_or_a_typed_error(octets: bytes) -> None:
    with suppress(BadEnvelope, UnknownVersion, UnknownKind):
        decode(octets)


@given(st.lists(data, min_size=8, max_size=10))
def test_any_array_is_an_envelope_or_a_typed_error(fields: list[object]) -> None:
    with suppress(BadEnvelope, UnknownVersion, UnknownKind, OverflowError):
        octets: bytes = msgpack.packb([1, *fields])
        decode(octets)


@given(envelopes, st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_envelope_is_another_one_or_a_typed_error(envelope: Envelope, place: int, bits: int) -> None:
    octets = bytearray(encode(envelope))
    octets[place % len(octets)] ^= bits
    with suppress(BadEnvelope, UnknownVersion, UnknownKind):
        decode(bytes(octets))


@settings(max_examples=300)
@given(data)
def test_any_body_is_taken_or_refused_by_a_typed_error(body: object) -> None:
    for parse, error in (
        (Reading.from_body, BadReading),
        (WorkerBeat.from_body, BadHeartbeat),
        (PublisherBeat.from_body, BadHeartbeat),
        (Command.from_body, BadCommand),
        (CommandResult.from_body, BadCommand),
    ):
        with suppress(error):
            parse(body)


_FIELDS = sorted({*WorkerBeat().to_body(), *PublisherBeat().to_body()})


@given(st.dictionaries(st.sampled_from(_FIELDS), data))
def test_any_heartbeat_is_taken_or_refused_by_a_typed_error(body: dict[str, object]) -> None:
    for kind in (WorkerBeat, PublisherBeat):
        with suppress(BadHeartbeat):
            kind.from_body(body)


@given(st.lists(data, min_size=5, max_size=5))
def test_any_five_elements_are_a_reading_or_refused(body: list[object]) -> None:
    with suppress(BadReading):
        Reading.from_body(body)
