"""The stream of HDLC frames and of WRAPPER messages: whatever happens to it, what is good comes out."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from poller.dlms.errors import LinkDamaged
from poller.dlms.exchange import Counters
from poller.dlms.fcs import check_sequence, is_intact
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import MAX_OCTETS, Frame
from poller.dlms.wrapper import Wpdu, WrapperDecoder

ADDRESSES = st.one_of(
    st.builds(Address, st.integers(0, 127)),
    st.builds(Address, st.integers(0, 127), st.integers(0, 127), st.just(2)),
    st.builds(Address, st.integers(0, 16383), st.integers(0, 16383), st.just(4)),
)
FLAGGED = st.lists(st.sampled_from([0x7E, 0xA0, 0xA8, 0x07, 0x03, 0x21, 0x00, 0xFF]), max_size=40).map(bytes)
"""Octets that look like beginnings of frames."""
INFO = st.one_of(st.just(b""), st.binary(max_size=40), FLAGGED)
FRAMES = st.builds(Frame, ADDRESSES, ADDRESSES, st.integers(0, 255), INFO, st.booleans())
STREAMS = st.lists(FRAMES, min_size=1, max_size=6)
NOISE = st.one_of(st.binary(max_size=30), FLAGGED)
CUTS = st.lists(st.integers(0, 600), max_size=12)


def pieces(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(places)]


def joined(frames: Sequence[Frame], shared: Sequence[bool]) -> bytes:
    """Return a stream in which a flag may close one frame and open the next."""
    stream = b""
    for frame, share in zip(frames, shared, strict=True):
        stream += frame.to_bytes()[1:] if share and stream else frame.to_bytes()
    return stream


def decoded(chunks: Sequence[bytes]) -> tuple[list[Frame], HdlcDecoder, Counters]:
    counters = Counters()
    decoder = HdlcDecoder(counters)
    frames = []
    for chunk in chunks:
        frames += decoder.feed(chunk)
        assert len(decoder._buffer) < MAX_OCTETS
    return frames, decoder, counters


def all_of(chunks: Sequence[bytes]) -> list[Frame]:
    """Return the frames of a stream that has ended."""
    frames, decoder, _ = decoded(chunks)
    return frames + decoder.expire()


def is_within(wanted: Sequence[Frame], found: Sequence[Frame]) -> bool:
    """Say whether the wanted frames are among the found ones, in their order."""
    left = iter(found)
    return all(any(frame == other for other in left) for frame in wanted)


@given(st.data(), STREAMS, CUTS)
def test_any_split_and_join_gives_every_frame(data: st.DataObject, frames: list[Frame], cuts: list[int]) -> None:
    shared = data.draw(st.lists(st.booleans(), min_size=len(frames), max_size=len(frames)))
    found, decoder, counters = decoded(pieces(joined(frames, shared), cuts))
    assert found == frames
    assert not decoder.waiting
    assert (counters.bad_frames, counters.octets_dropped) == (0, 0)
    assert counters.frames_received == len(frames)


@given(STREAMS, st.lists(NOISE, min_size=7, max_size=7), CUTS)
def test_noise_between_frames_costs_none(frames: list[Frame], noises: list[bytes], cuts: list[int]) -> None:
    stream = noises[-1] + b"".join(frame.to_bytes() + noise for frame, noise in zip(frames, noises, strict=False))
    assert is_within(frames, all_of(pieces(stream, cuts)))


def test_a_frame_whose_check_sequence_ends_like_a_flag_and_whose_flag_is_lost_costs_no_other() -> None:
    first = Frame(Address(314, 427, 4), Address(36, None, 1), 144, b"")
    second = Frame(Address(0, None, 1), Address(0, None, 1), 0, b"")
    octets = first.to_bytes()
    assert octets[-2:] == b"~~"
    assert all_of([octets[:-2] + second.to_bytes()]) == [first, second]


@given(st.data(), st.lists(FRAMES, min_size=2, max_size=6), CUTS)
def test_any_damage_inside_a_frame_costs_only_that_frame(
    data: st.DataObject, frames: list[Frame], cuts: list[int]
) -> None:
    victim = data.draw(st.integers(0, len(frames) - 1))
    octets = frames[victim].to_bytes()
    start = data.draw(st.integers(0, len(octets)))
    end = data.draw(st.integers(start, len(octets)))
    damaged = octets[:start] + data.draw(NOISE) + octets[end:]
    around = [frame.to_bytes() for frame in frames]
    around[victim] = damaged
    assert is_within(frames[:victim] + frames[victim + 1 :], all_of(pieces(b"".join(around), cuts)))


@given(st.data(), st.lists(FRAMES, min_size=2, max_size=6), CUTS)
def test_one_wrong_octet_costs_one_frame_even_when_flags_are_shared(
    data: st.DataObject, frames: list[Frame], cuts: list[int]
) -> None:
    stream = bytearray(joined(frames, [True] * len(frames)))
    place = data.draw(st.integers(0, len(stream) - 1))
    stream[place] ^= data.draw(st.integers(1, 255))
    found = all_of(pieces(bytes(stream), cuts))
    assert any(is_within(frames[:lost] + frames[lost + 1 :], found) for lost in range(len(frames)))


@given(st.data(), st.lists(FRAMES, min_size=2, max_size=6), CUTS)
def test_a_stream_cut_anywhere_gives_what_was_whole(data: st.DataObject, frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(frame.to_bytes() for frame in frames)
    length = data.draw(st.integers(0, len(stream)))
    ends = [sum(len(frame.to_bytes()) for frame in frames[: count + 1]) for count in range(len(frames))]
    whole = [frame for frame, end in zip(frames, ends, strict=True) if end <= length]
    assert is_within(whole, all_of(pieces(stream[:length], cuts)))


@given(st.one_of(st.binary(max_size=400), st.lists(FLAGGED, max_size=10).map(b"".join)), CUTS)
def test_the_cuts_of_a_stream_do_not_matter(stream: bytes, cuts: list[int]) -> None:
    frames, decoder, counters = decoded([stream])
    others, other, same = decoded(pieces(stream, cuts))
    assert frames == others
    assert counters == same
    assert decoder.expire() == other.expire()


@given(FRAMES)
def test_a_frame_is_never_longer_than_a_decoder_holds(frame: Frame) -> None:
    assert len(frame.to_bytes()) <= MAX_OCTETS


def bitwise(octets: bytes) -> bytes:
    register = 0xFFFF
    for octet in octets:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return (register ^ 0xFFFF).to_bytes(2, "little")


@given(st.binary(max_size=300))
def test_the_check_sequence_is_the_bitwise_one(octets: bytes) -> None:
    assert check_sequence(octets) == bitwise(octets)
    assert is_intact(octets + check_sequence(octets))


MESSAGES = st.lists(st.builds(Wpdu, st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=60)), max_size=6)


@given(MESSAGES, CUTS)
def test_wrapper_messages_come_out_however_they_are_cut(messages: list[Wpdu], cuts: list[int]) -> None:
    decoder = WrapperDecoder()
    stream = b"".join(message.to_bytes() for message in messages)
    assert [message for piece in pieces(stream, cuts) for message in decoder.feed(piece)] == messages
    assert not decoder.waiting


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_a_wrapper_stream_out_of_step_is_a_damaged_link_and_nothing_else(chunks: list[bytes]) -> None:
    decoder = WrapperDecoder()
    try:
        for chunk in chunks:
            decoder.feed(chunk)
    except LinkDamaged:
        pass
