"""Everything that takes octets from outside, each with what its inputs are made of and which errors it may raise.

Goes in: chance, for an input; an input, for a run. Comes out: nothing, an error of the kinds that the target may raise,
or anything else: a defect. ``choice`` of an input decides how it is cut and what is asked, so that an input alone is
enough to see a defect again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from types import MappingProxyType
from typing import Final, NamedTuple

from common.errors import BridgeError
from poller.capture import IN, OUT, BadCapture, Capture, Header, Piece, parse_capture, write_capture
from poller.dlms import acse, gcm
from poller.dlms.access_service import decode_access_response
from poller.dlms.action_service import decode_action_results
from poller.dlms.apdu import decode_apdu
from poller.dlms.axdr import decode_data, decode_whole, encode_data, encode_length
from poller.dlms.ciphering import Cipher
from poller.dlms.cosem import exact, scaler_unit
from poller.dlms.data import Data
from poller.dlms.errors import (
    BadData,
    BadFrame,
    DecipheringFailed,
    LinkDamaged,
    ReplyTimeout,
    SignOnFailed,
    UnexpectedReply,
)
from poller.dlms.exchange import Counters
from poller.dlms.explain.stream import Explainer, Kind
from poller.dlms.explain.tree import Node
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import MAX_OCTETS, unpack_frame
from poller.dlms.hdlc_parameters import decode_parameters
from poller.dlms.listening import PushListener
from poller.dlms.mode_e import Pause, Speed, identification_from, sign_on
from poller.dlms.objects.association_ln import object_list
from poller.dlms.objects.association_sn import short_list
from poller.dlms.objects.profile_layout import ProfileLayout, capture_objects, read_layout
from poller.dlms.objects.registry import CLASSES
from poller.dlms.objects.rows import Skips, decode_rows
from poller.dlms.push_streams import Framing
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.short_names import short_names
from poller.dlms.short_service import decode_read_results
from poller.dlms.wrapper import WrapperDecoder
from poller.redaction import redact
from tests.fuzz.mutator import Chance, mutated, random_octets, resealed_frame, resealed_line, rewrapped
from tests.fuzz.seeds import corpus, tagged
from tests.support.cosem_objects import PROFILE, Objects, Profile, run
from tests.support.keyring import AUTHENTICATION_KEY, CLIENT, ENCRYPTION_KEY, METER, FixedSource, settings

Bits = Callable[[int], int]


class Case(NamedTuple):
    """One input."""

    octets: bytes
    choice: int = 0


class Broken(AssertionError):
    """What a target promises of every input does not hold."""


@dataclass(frozen=True)
class Target:
    """Something that takes octets from outside."""

    name: str
    make: Callable[[Chance, Bits], Case]
    run: Callable[[Case], object]
    typed: tuple[type[BridgeError], ...]
    """Errors that it may raise."""
    share: float
    """Of all inputs."""
    us_per_octet: float
    """Time that an octet may take, at most; measured ones are a tenth of it."""
    octets_per_octet: int = 2_048
    """Memory that an octet may take, at most."""


_SINGLY: Final = 128
"""Octets that are fed one by one; longer inputs are cut into more than that."""


def pieces(octets: bytes, choice: int) -> Iterator[bytes]:
    """Cut octets as ``choice`` has it: not at all, in some places, or each alone."""
    how = choice & 3 if len(octets) <= _SINGLY or choice & 3 != 1 else 2
    if how == 0:
        yield octets
        return
    at, state = 0, choice
    while at < len(octets):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        size = 1 if how == 1 else 1 + (state >> 8) % (16 if how == 2 else 400)
        yield octets[at : at + size]
        at += size


def _promise(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


def _pick(chance: Chance, entries: tuple[bytes, ...]) -> bytes:
    return entries[int(chance() * len(entries))]


def _mutant_of(entries: tuple[bytes, ...]) -> Callable[[Chance, Bits], Case]:
    """Return what makes mutants of entries, and noise now and then."""

    def make(chance: Chance, bits: Bits) -> Case:
        if chance() < 0.03:
            return Case(random_octets(chance, bits), bits(30))
        return Case(mutated(_pick(chance, entries), chance, entries), bits(30))

    return make


# Frames.

_GOOD_FRAME: Final = resealed_frame(b"\x03\x21", 0x13, b"\xe6\xe7\x00\x0f\x00\x00\x00\x01\x00\x12\x12\x34")
_ADDRESSES: Final = tuple(
    map(bytes.fromhex, ("0321", "2103", "0002002321", "2100020023", "ce21", "feffff03", "00fe4703"))
)


def _make_line(chance: Chance, bits: Bits) -> Case:
    lines, apdus = corpus().lines, corpus().apdus
    how = chance()
    if how < 0.3:
        octets = mutated(_pick(chance, lines), chance, lines)
    elif how < 0.55:
        octets = resealed_line(mutated(_pick(chance, lines), chance, lines))
    elif how < 0.8:
        info = mutated(_pick(chance, apdus), chance, apdus)[:2030]
        octets = resealed_frame(_pick(chance, _ADDRESSES), bits(8), info, segmented=chance() < 0.2)
    elif how < 0.95:
        octets = b"".join(_pick(chance, lines) for _ in range(1 + int(chance() * 3)))
        octets = mutated(octets, chance, lines)
    else:
        octets = random_octets(chance, bits, 2_000).replace(b"\0", b"\x7e")
    return Case(octets, bits(30))


def _run_line(case: Case) -> None:
    decoder = HdlcDecoder(Counters())
    frames = []
    for piece in pieces(case.octets, case.choice):
        frames += decoder.feed(piece)
        _promise(len(decoder._buffer) <= MAX_OCTETS, "more than a frame is kept")
    _promise(
        all(frame.final in {True, False} and len(frame.info) <= MAX_OCTETS for frame in frames), "a frame that is none"
    )
    if case.choice & 4:
        frames += decoder.expire()
        _promise(not decoder.waiting, "something is waited for after its time")
        _promise(len(decoder.feed(_GOOD_FRAME)) == 1, "a good frame behind the octets is not found")
    if case.choice & 24 == 0:
        whole = HdlcDecoder(Counters())
        again = whole.feed(case.octets) + (whole.expire() if case.choice & 4 else [])
        _promise(again == frames, "other frames are found when the octets are cut otherwise")


def _run_frame(case: Case) -> None:
    if case.choice & 3:
        decode_parameters(case.octets)
    else:
        unpack_frame(case.octets)


def _make_frame(chance: Chance, bits: Bits) -> Case:
    lines = corpus().lines
    choice = bits(30)
    octets = mutated(_pick(chance, lines), chance, lines)
    return Case(octets if not choice & 3 else octets[8:-3], choice)


def _make_messages(chance: Chance, bits: Bits) -> Case:
    messages = corpus().messages
    octets = mutated(_pick(chance, messages), chance, messages)
    octets = rewrapped(octets, chance) if chance() < 0.7 else octets
    return Case(octets + (_pick(chance, messages) if chance() < 0.3 else b""), bits(30))


def _run_messages(case: Case) -> None:
    decoder = WrapperDecoder()
    found = []
    for piece in pieces(case.octets, case.choice):
        found += decoder.feed(piece)
    _promise(len(decoder._buffer) <= 8 + 0xFFFF, "more than a message is kept")
    _promise(case.octets.startswith(b"".join(each.to_bytes() for each in found)), "a message that did not come so")


# APDUs and values.


def _run_apdu(case: Case) -> None:
    decode_apdu(case.octets)


_PARTS: Final[tuple[tuple[int, int, Callable[[bytes], object]], ...]] = (
    (acse.AARE, 0, acse.decode_aare),
    (acse.AARQ, 0, acse.decode_aarq),
    (0xDA, 0, decode_access_response),
    (0x0C, 1, decode_read_results),
    (0xC7, 4, decode_action_results),
    (0xC4, 9, decode_action_results),
)
"""The tag of an APDU, where in it something begins that is read alone, and what reads it."""


def _make_part(chance: Chance, bits: Bits) -> Case:
    choice = bits(30)
    tag, begin, _ = _PARTS[choice % len(_PARTS)]
    entries = tagged(tag)
    return Case(mutated(_pick(chance, entries)[begin:], chance, entries), choice)


def _run_part(case: Case) -> None:
    _PARTS[case.choice % len(_PARTS)][2](case.octets)


def _run_value(case: Case) -> None:
    data, end = decode_data(case.octets)
    _promise(0 < end <= len(case.octets), "a value that ends nowhere")
    exact(data.value, -1)
    if case.choice & 3 == 0:
        octets = encode_data(data)
        _promise(encode_data(decode_whole(octets)) == octets, "a value that changes on its way out and back")


_LAYOUT: Final[ProfileLayout] = run(read_layout(Profile(datetime(2024, 1, 1, tzinfo=UTC), 1).install(), PROFILE))
_READERS: Final = [(class_id, known.reader) for class_id, known in CLASSES.items() if known.reader]
_PARSERS: Final[tuple[Callable[[Data], object], ...]] = (
    object_list,
    short_list,
    short_names,
    capture_objects,
    scaler_unit,
    lambda data: decode_rows(data, _LAYOUT, (0, 1, 2), Skips()),
)


def _run_object(case: Case) -> None:
    """Read a value as some attribute, or an object all of whose attributes have it, but one."""
    data, end = decode_data(case.octets)
    which = case.choice % 16
    if which < len(_PARSERS):
        _PARSERS[which](data)
        return
    class_id, reader = _READERS[(case.choice >> 4) % len(_READERS)]
    rest = decode_data(case.octets[end:])[0] if end < len(case.octets) else data
    objects = Objects()
    objects.give(
        class_id, PROFILE, {number: rest if number == case.choice >> 8 & 15 else data for number in range(2, 12)}
    )
    run(reader(objects, PROFILE))


def _make_object(chance: Chance, bits: Bits) -> Case:
    values = corpus().values
    octets = _pick(chance, values)
    octets = mutated(octets, chance, values) if chance() < 0.8 else octets
    return Case(octets + (_pick(chance, values) if chance() < 0.5 else b""), bits(30))


# Protection.

_LEVELS: Final = tuple(Security)
_PUBLIC: Final = {level: settings(level) for level in _LEVELS}
_CONTROLS: Final = (0x10, 0x20, 0x30, 0x30, 0x30, 0x31, 0x70, 0x00, 0xB0, 0x32)
_FORMS: Final = (0xCC, 0xD4, 0xC8, 0xCD, 0xCF, 0xDB, 0xDC, 0x28, 0x2C, 0x38, 0xCA)


def sealed(plain: bytes, form: int, control: int, counter: int) -> bytes:
    """Return an APDU protected as the meter would, in any form and with any security control (Green Book 9.2.7.2)."""
    head = bytes((control,))
    number = counter.to_bytes(4, "big")
    nonce, associated = METER + number, head + AUTHENTICATION_KEY
    if control & 0x30 == 0x30:
        text = gcm.seal(ENCRYPTION_KEY, nonce, plain, associated)
    elif control & 0x20:
        text = gcm.stream(ENCRYPTION_KEY, nonce, plain)
    else:
        text = plain + gcm.tag(ENCRYPTION_KEY, nonce, associated + plain)
    title = bytes((8,)) + METER if form in {0xDB, 0xDC} else b""
    return bytes((form,)) + title + encode_length(5 + len(text)) + head + number + text


def _make_protected(chance: Chance, bits: Bits) -> Case:
    apdus = corpus().apdus
    plain = _pick(chance, apdus)
    if chance() < 0.5:
        plain = mutated(plain, chance, apdus)
    form, control = (each[int(chance() * len(each))] for each in (_FORMS, _CONTROLS))
    octets = sealed(plain, form, control, bits(32) if chance() < 0.1 else 7)
    return Case(mutated(octets, chance, apdus) if chance() < 0.4 else octets, bits(30))


def _run_protected(case: Case) -> None:
    cipher = Cipher(_PUBLIC[_LEVELS[case.choice & 3]], FixedSource(), Counters())
    cipher.begin()
    cipher.dedicated_key = ENCRYPTION_KEY
    plain = cipher.unprotect(case.octets)
    decode_apdu(plain)
    if case.octets[:1] != plain[:1]:
        _promise(cipher.unprotect_fresh(case.octets) is None, "a replay is taken")


# Listening, explaining.

_UNPROTECT_KEYS: Final = SecuritySettings(
    Security.NONE, 0, CLIENT, ENCRYPTION_KEY, AUTHENTICATION_KEY, server_title=b""
)
_FRAMINGS: Final = tuple(Framing)
_GOOD_PUSH: Final = {Framing.HDLC: _GOOD_FRAME, Framing.RAW: _GOOD_FRAME[11:-3]}


def _make_pushes(chance: Chance, bits: Bits) -> Case:
    choice = bits(30)
    framing = _FRAMINGS[(choice >> 4) % 3]
    entries = corpus().pushes[framing.value]
    octets = _pick(chance, entries)
    others = corpus().apdus
    if framing is Framing.RAW:
        octets = mutated(octets + _pick(chance, entries), chance, others)
    elif framing is Framing.WRAPPER:
        octets = mutated(octets, chance, others)
        octets = rewrapped(octets, chance) + _pick(chance, entries) if chance() < 0.6 else octets
    else:
        octets = mutated(octets, chance, entries)
        octets = resealed_line(octets) + _pick(chance, entries) if chance() < 0.6 else octets
    return Case(octets, choice)


def _run_pushes(case: Case) -> None:
    framing = _FRAMINGS[(case.choice >> 4) % 3]
    cipher = Cipher(_UNPROTECT_KEYS, FixedSource(), Counters())
    listener = PushListener(framing, cipher.unprotect if case.choice & 8 else None)
    heard = []
    for piece in pieces(case.octets, case.choice):
        if not listener.broken:
            heard += listener.feed(piece)
    heard += [] if listener.broken else listener.expire()
    _promise(len(heard) <= len(case.octets), "more is heard than was said")
    if framing is not Framing.WRAPPER:
        after = listener.feed(_GOOD_PUSH[framing])
        _promise(bool(after) and not isinstance(after[-1].content, BridgeError), "a good push behind it is not heard")


_KINDS: Final = tuple(Kind)


def _make_explained(chance: Chance, bits: Bits) -> Case:
    found = corpus()
    entries = (found.lines, found.messages, found.apdus, found.values)[int(chance() * 4)]
    octets = mutated(_pick(chance, entries), chance, entries)
    return Case(resealed_line(octets) if entries is found.lines and chance() < 0.5 else octets, bits(30))


def _own(nodes: list[Node]) -> bytes:
    return b"".join(_own(node.children) or node.octets for node in nodes if not node.derived)


def _run_explained(case: Case) -> None:
    explainer = Explainer(_KINDS[(case.choice >> 4) % len(_KINDS)], _PUBLIC[Security.BOTH])
    nodes = []
    for piece in pieces(case.octets, case.choice if case.choice & 3 != 1 else 0):
        nodes += explainer.feed(piece)
    nodes += explainer.finish()
    _promise(_own(nodes) == case.octets, "octets are shown not at all, twice, or in another order")


# Signing on, captures.

_IDENTIFICATIONS: Final = (
    b"/ISk5\\2MT382-1000\r\n",
    b"/LGZ4ZMF100AC.M23\r\n",
    b"/?1234!\r\n\x06252\r\n",
    b"\x06252\r\n",
    b"\x02readout",
)


def _run_sign_on(case: Case) -> None:
    if case.choice & 15 == 0:
        identification_from(case.octets)
        return
    signing, waiting = sign_on(), list(pieces(case.octets, case.choice))
    waiting.reverse()
    try:
        out = next(signing)
        for _ in range(len(case.octets) + 100):
            idle = isinstance(out, Speed | Pause)
            if idle or waiting:
                out = signing.send(b"" if idle else waiting.pop())
            else:
                out = signing.throw(ReplyTimeout("silence"))
    except StopIteration:
        return
    raise Broken("the sign-on does not end")


def _captures() -> tuple[bytes, ...]:
    """Return some conversations as files."""
    found = []
    for session in corpus().sessions[::9]:
        stream = StringIO()
        passed = [
            Piece(7, way, each) for pair in session.passed[:8] for way, each in zip(("out", "in"), pair, strict=True)
        ]
        write_capture(stream, Capture(Header("hdlc", 1, 1), tuple(passed)))
        found.append(stream.getvalue().encode())
    return tuple(found)


def _run_capture(case: Case) -> None:
    parse_capture(case.octets.decode("utf-8", "replace").splitlines(keepends=True))


def joined(parts: Sequence[bytes]) -> bytes:
    """Return octets of several as one, each behind its length."""
    return b"".join(len(each).to_bytes(2, "big") + each for each in parts)


def parted(octets: bytes) -> list[bytes]:
    """Return what was joined; any octets are something joined."""
    parts, at = [], 0
    while at < len(octets):
        end = at + 2 + int.from_bytes(octets[at : at + 2], "big")
        parts.append(octets[at + 2 : end])
        at = end
    return parts


def _make_redacted(chance: Chance, bits: Bits) -> Case:
    sessions = corpus().sessions
    session = sessions[int(chance() * len(sessions))]
    parts = [each for pair in session.passed[:8] for each in pair]
    for _ in range(1 + int(chance() * 3)):
        at = int(chance() * len(parts))
        parts[at] = mutated(parts[at], chance, corpus().lines)
        parts[at] = resealed_line(parts[at]) if chance() < 0.5 else parts[at]
    return Case(joined(parts), bits(30))


def _run_redacted(case: Case) -> None:
    transport = "wrapper" if case.choice & 7 == 0 else "hdlc"
    passed = [Piece(7, (OUT, IN)[at & 1], each) for at, each in enumerate(parted(case.octets))]
    redacted = redact(Capture(Header(transport, 1, 1), tuple(passed)), serials=bool(case.choice & 8))
    sizes = [(piece.way, len(piece.octets)) for piece in redacted.pieces]
    _promise(sizes == [(piece.way, len(piece.octets)) for piece in passed], "a piece changes its length")


def _targets() -> Iterator[Target]:
    found = corpus()
    apdu = (UnexpectedReply, BadData)
    yield Target("frames", _make_line, _run_line, (), 0.19, 40)
    yield Target("frame fields", _make_frame, _run_frame, (BadFrame, BadData), 0.03, 40)
    yield Target("messages", _make_messages, _run_messages, (LinkDamaged,), 0.06, 40)
    yield Target("apdus", _mutant_of(found.apdus), _run_apdu, apdu, 0.27, 40)
    yield Target("parts of apdus", _make_part, _run_part, apdu, 0.06, 40)
    yield Target("values", _mutant_of(found.values), _run_value, (BadData,), 0.15, 60)
    yield Target("objects", _make_object, _run_object, (BridgeError,), 0.06, 200)
    yield Target("protected", _make_protected, _run_protected, (*apdu, DecipheringFailed), 0.05, 80)
    yield Target("pushes", _make_pushes, _run_pushes, (), 0.05, 80)
    yield Target("explained", _make_explained, _run_explained, (), 0.02, 200, 8_192)
    yield Target("sign-on", _mutant_of(_IDENTIFICATIONS), _run_sign_on, (SignOnFailed,), 0.015, 80)
    yield Target("redacted", _make_redacted, _run_redacted, (), 0.01, 400, 8_192)
    yield Target("captures", _mutant_of(_captures()), _run_capture, (BadCapture,), 0.005, 40)


PARSERS: Final[Mapping[str, Target]] = MappingProxyType({target.name: target for target in _targets()})
"""What needs no conversation."""
