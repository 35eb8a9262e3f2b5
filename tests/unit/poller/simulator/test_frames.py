import json
from pathlib import Path
from random import Random

import pytest

from poller.simulator import crc, frames
from poller.simulator.faults import Fault, FaultKind
from poller.simulator.frames import Frame, FrameReader, Kind
from poller.simulator.mischief import play
from poller.simulator.steps import Send

VECTORS = Path(__file__).parents[3] / "vectors"
FRAMES = [
    pytest.param(bytes.fromhex(vector["frame"]), id=vector["id"])
    for vector in json.loads((VECTORS / "microstar_hdlc.json").read_text())["vectors"]
] + [
    pytest.param(bytes.fromhex(vector["hex"]), id=vector["id"])
    for vector in json.loads((VECTORS / "dlms_public.json").read_text())["vectors"]
    if vector["kind"] == "hdlc" and vector.get("expect") != "error"
]
RR = bytes.fromhex("7ea00703035192f47e")
UA = bytes.fromhex("7ea00703037382f67e")


@pytest.mark.parametrize("octets", FRAMES)
def test_a_published_frame_is_read_and_written_back(octets: bytes) -> None:
    (frame,) = FrameReader().feed(octets, 0.0)
    assert frames.encode(frame) == octets


@pytest.mark.parametrize("octets", FRAMES)
def test_a_frame_may_come_octet_by_octet(octets: bytes) -> None:
    reader = FrameReader()
    found = [frame for at in range(len(octets)) for frame in reader.feed(octets[at : at + 1], 0.0)]
    assert len(found) == 1


@pytest.mark.parametrize("octets", FRAMES)
def test_a_frame_with_any_octet_changed_is_dropped_and_the_next_is_read(octets: bytes) -> None:
    for at in range(1, len(octets) - 1):
        damaged = octets[:at] + bytes((octets[at] ^ 0x01,)) + octets[at + 1 :]
        reader = FrameReader()
        reader.feed(damaged, 0.0)
        assert [frame.control for frame in reader.feed(RR, 10.0)] == [0x51]


def test_one_flag_closes_and_opens() -> None:
    assert [frame.control for frame in FrameReader().feed(RR[:-1] + UA, 0.0)] == [0x51, 0x73]


def test_noise_between_frames_costs_nothing_else() -> None:
    reader = FrameReader()
    assert [frame.control for frame in reader.feed(b"\x00\xff" + RR + b"\xa0\x07" + UA, 0.0)] == [0x51, 0x73]
    assert reader.counters.octets_dropped > 0


def test_a_wrong_fcs_is_counted() -> None:
    reader = FrameReader()
    assert reader.feed(RR[:-2] + b"\x00\x7e", 0.0) == []
    assert reader.counters.bad_fcs == 1


def test_a_wrong_hcs_is_counted_though_the_fcs_is_right() -> None:
    good = frames.encode(Frame(b"\x03", b"\x03", 0x10, b"\xe6\xe6\x00\xc0"))
    (bad,) = play([Send(good)], [Fault(FaultKind.BAD_HCS)], Random(1))
    reader = FrameReader()
    assert isinstance(bad, Send)
    assert reader.feed(bad.octets, 0.0) == []
    assert (reader.counters.bad_hcs, reader.counters.bad_fcs) == (1, 0)


def test_an_address_of_three_octets_is_refused() -> None:
    body = bytes.fromhex("a009") + bytes.fromhex("020221") + b"\x03\x93"
    octets = b"\x7e" + body + crc.checksum(body) + b"\x7e"
    reader = FrameReader()
    assert reader.feed(octets, 0.0) == []
    assert reader.counters.bad_format >= 1


def test_a_silence_ends_an_unfinished_frame() -> None:
    reader = FrameReader(inter_octet=0.5)
    assert reader.feed(RR[:4], 0.0) == []
    assert len(reader.feed(RR, 0.6)) == 1


def test_a_flood_is_bounded() -> None:
    reader = FrameReader()
    for _ in range(100):
        reader.feed(b"\x7e\xa7\xff" + bytes(1000), 0.0)
    assert len(reader._buffer) <= frames.MAX_PENDING


@pytest.mark.parametrize(
    ("upper", "lower", "size", "octets"),
    [(1, None, 1, "03"), (1, 17, 2, "0223"), (1, 17, 4, "00020023"), (1, 3500, 4, "00023659"), (200, 1, 4, "02900003")],
)
def test_addresses_have_one_two_or_four_octets(upper: int, lower: int | None, size: int, octets: str) -> None:
    assert frames.address(upper, lower, size).hex() == octets


@pytest.mark.parametrize(
    ("control", "kind"),
    [
        (0x93, Kind.SNRM),
        (0x53, Kind.DISC),
        (0x10, Kind.INFORMATION),
        (0x51, Kind.RR),
        (0x55, Kind.RNR),
        (0x59, Kind.REJ),
        (0x13, Kind.UI),
        (0x73, Kind.OTHER),
    ],
)
def test_control_fields_say_what_they_are(control: int, kind: Kind) -> None:
    assert Frame(b"\x03", b"\x03", control).kind is kind
