"""What mutants are made of: known octets of every kind, from vectors and recorded conversations.

Goes in: tests/vectors/*.json and corpus/recorded.json. Comes out: octets by kind, and the conversations as they passed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from poller.dlms.exchange import Counters
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import FrameKind
from poller.dlms.profile import Transport
from poller.dlms.wrapper import WrapperDecoder
from tests.fuzz.scenarios import SCENARIOS

RECORDED: Final = Path(__file__).parent / "corpus" / "recorded.json"
VECTORS: Final = Path(__file__).parents[1] / "vectors"
_LLC: Final = (b"\xe6\xe6\x00", b"\xe6\xe7\x00")
_FURTHER: Final = tuple(
    map(bytes.fromhex, (
        "c200 0003 0100010800ff 02 0600001234",
        "c2 0c 07e70b0e02160d1400000000 0003 0100010800ff 02 02020600001234 1110",
        "18 00 01 02 0100 01 12 1234",
        "18 0c 07e70b0e02160d1400000000 02 02 0100 02 0108 02 06 00001234 09 02 abcd",
        "0f 00000001 00 13 02 02 12 0100 05 04 0003 00 08 0001 0203 0004 0506",
        "10 00000001 00",
        "06 01 02 0100 01 06 00001234",
        "16 02 02 0100 02 0108 02 11 01 12 0203",
        "c4 02 c1 00 00000001 00 05 0904010203",
        "c4 03 c1 03 00 0600001234 01 04 00 0202 0fff 161e",
        "13 02 02 12 01 0002 11 0a 0001 01 02 0003 04 05",
    ))
)  # fmt: skip
"""Kinds that no vector and no recorded conversation has."""
_LONGEST_LINE: Final = 4_096
"""Octets of one entry: beyond it a mutant costs more time than it finds."""


@dataclass(frozen=True)
class Session:
    """One recorded conversation: what was sent and what answered, in order."""

    scenario: str
    operation: str
    passed: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Corpus:
    """Octets by kind."""

    lines: tuple[bytes, ...]
    """HDLC frames, one or more."""
    messages: tuple[bytes, ...]
    """WRAPPER messages, one or more."""
    apdus: tuple[bytes, ...]
    values: tuple[bytes, ...]
    pushes: Mapping[str, tuple[bytes, ...]]
    sessions: tuple[Session, ...]


@cache
def corpus() -> Corpus:
    """Return all of it."""
    content = json.loads(RECORDED.read_text("utf-8"))
    sessions = tuple(map(_session, content["sessions"]))
    vectors = list(_vectors())
    lines = {octets for kind, octets in vectors if kind == "hdlc"}
    messages = {octets for kind, octets in vectors if kind == "wrapper"}
    apdus = {octets for kind, octets in vectors if kind in {"apdu", "ciphered"}} | set(_FURTHER)
    values = {octets for kind, octets in vectors if kind == "data"} | set(map(bytes.fromhex, content["values"]))
    for session in sessions:
        hdlc = SCENARIOS[session.scenario].profile.transport is Transport.HDLC
        for octets in (octets for pair in session.passed for octets in pair if octets):
            (lines if hdlc else messages).add(octets[:_LONGEST_LINE])
            apdus.update(_apdus_of_line(octets) if hdlc else _apdus_of_messages(octets))
    return Corpus(
        tuple(sorted(lines)),
        tuple(sorted(messages)),
        tuple(sorted(apdu for apdu in apdus if apdu)),
        tuple(sorted(values)),
        {form: tuple(map(bytes.fromhex, each)) for form, each in content["pushes"].items()},
        sessions,
    )


@cache
def tagged(tag: int) -> tuple[bytes, ...]:
    """Return the APDUs with a tag."""
    return tuple(apdu for apdu in corpus().apdus if apdu[0] == tag)


def _session(entry: Mapping[str, Any]) -> Session:
    passed = tuple((bytes.fromhex(out), bytes.fromhex(came)) for out, came in entry["passed"])
    return Session(entry["scenario"], entry["operation"], passed)


def _vectors() -> Iterator[tuple[str, bytes]]:
    for vector in json.loads((VECTORS / "dlms_public.json").read_text("utf-8"))["vectors"]:
        yield vector["kind"], bytes.fromhex(vector["hex"])
    for vector in json.loads((VECTORS / "microstar_hdlc.json").read_text("utf-8"))["vectors"]:
        yield "hdlc", bytes.fromhex(vector["frame"])


def _apdus_of_line(octets: bytes) -> Sequence[bytes]:
    """Return the APDUs in I frames that carry a whole one."""
    frames = HdlcDecoder(Counters()).feed(octets)
    infos = [frame.info for frame in frames if frame.kind is FrameKind.I and not frame.segmented]
    return [info[3:] for info in infos if info.startswith(_LLC)]


def _apdus_of_messages(octets: bytes) -> Sequence[bytes]:
    return [message.apdu for message in WrapperDecoder().feed(octets)]
