"""``--trace``: the octets of both directions in hexadecimal, with their time, on standard error; secrets are taken out.

In: octets as they pass. Out: lines. Octets are held back until the APDU that they belong to is whole, because only then
can be told what is secret in it; an APDU that never becomes whole is counted, not shown.
"""

from typing import Final, TextIO

from common.clock import Clock
from common.errors import BridgeError
from poller.capture import IN, OUT, Capture, Header, Piece, Recorder
from poller.dlms.exchange import Counters
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.wrapper import WrapperDecoder
from poller.redaction import Asked, redact

MAX_HELD: Final = 1 << 20
"""Octets held back; an APDU has 64 KiB at most, with its frames and polls some more."""
_OPENING: Final = (Piece(0, OUT, b"~"), Piece(0, IN, b"~"))
"""A frame's opening flag may have been shown before: alone, or as the closing flag of the frame before."""
_SIGNS: Final = {OUT: ">", IN: "<"}


class Trace:
    """Shows what passes; its ``tap`` is for a Session."""

    def __init__(self, stream: TextIO, transport: str, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._header = Header(transport, 0, 0)
        self._began = clock.monotonic()
        self._flushed_ms = 0
        self._asked = Asked()
        self._wholes: dict[str, _Frames | _Messages] = {
            way: _Frames() if transport == "hdlc" else _Messages() for way in (OUT, IN)
        }
        self._held = Recorder(clock, MAX_HELD)

    def tap(self, way: str, octets: bytes) -> None:
        """Take octets; show what is whole."""
        if not self._held.pieces:
            self._flushed_ms = round((self._clock.monotonic() - self._began) * 1000)
            self._held = Recorder(self._clock, MAX_HELD)
        self._held.tap(way, octets)
        self._wholes[way].feed(octets)
        if all(whole.is_whole for whole in self._wholes.values()):
            self._flush()

    def close(self) -> None:
        """Say how much never became whole."""
        octets = sum(len(piece.octets) for piece in self._held.pieces) + self._held.dropped
        if octets:
            self._stream.write(f"{'':10} ?  {octets} octets that belong to no whole APDU are not shown\n")
        self._held = Recorder(self._clock, MAX_HELD)

    def _flush(self) -> None:
        opening = _OPENING if self._header.transport == "hdlc" else ()
        shown = redact(Capture(self._header, (*opening, *self._held.pieces)), asked=self._asked)
        for piece in shown.pieces[len(opening) :]:
            seconds = (self._flushed_ms + piece.ms) / 1000
            self._stream.write(f"{seconds:10.3f} {_SIGNS[piece.way]}  {piece.octets.hex()}\n")
        if self._held.dropped:
            self._stream.write(f"{'':10} ?  {self._held.dropped} octets more are not shown\n")
        self._stream.flush()
        self._held = Recorder(self._clock, MAX_HELD)


class _Frames:
    """Whether the frames of one direction are whole, and the last of them ends an APDU."""

    def __init__(self) -> None:
        self._decoder = HdlcDecoder(Counters())
        self._segmented = False

    @property
    def is_whole(self) -> bool:
        return not self._segmented and not self._decoder.waiting

    def feed(self, octets: bytes) -> None:
        for frame in self._decoder.feed(octets):
            if frame.info:
                self._segmented = frame.segmented


class _Messages:
    """Whether the messages of one direction are whole."""

    def __init__(self) -> None:
        self._decoder = WrapperDecoder()
        self._broken = False

    @property
    def is_whole(self) -> bool:
        return not self._broken and not self._decoder.waiting

    def feed(self, octets: bytes) -> None:
        try:
            self._decoder.feed(octets)
        except BridgeError:  # out of step: nothing that follows can be told apart any more
            self._broken = True
