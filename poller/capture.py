"""Captures: what went over the line to one meter and back, as a file that can be decoded and replayed.

In: octets with their direction as they pass, or a file. Out: a file of JSON lines, a header first, then one line for
each piece; or the Capture, or BadCapture that names the line. Nothing secret may enter the header; what is secret in
the octets is taken out by ``redaction`` before anything is written.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, TextIO

from common.clock import Clock
from common.errors import Hopeless
from common.meter_words import REFERENCINGS, TRANSPORTS

VERSION: Final = 1
OUT, IN = "out", "in"
MAX_OCTETS: Final = 16 << 20
"""Of one capture: a year of quarter hours is some megabytes."""
MAX_PIECES: Final = 1_000_000
MAX_LINE: Final = 256 * 1024
"""Characters of one line: what a socket hands over at once has 64 KiB, twice that in hexadecimal."""


class BadCapture(Hopeless):
    """A file that is no capture, or not whole."""


@dataclass(frozen=True, slots=True)
class Header:
    """Whose octets these are, as far as it takes to replay them; no secret among it."""

    transport: str
    client_id: int
    server_logical: int
    server_physical: int | None = None
    address_size: int | None = None
    authentication: str = "none"
    security: str = "none"
    referencing: str = "ln"
    model: str = ""
    max_info: int = 128
    window: int = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """Octets that passed at once, milliseconds after the beginning."""

    ms: int
    way: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """A header and what passed, in order."""

    header: Header
    pieces: tuple[Piece, ...]


@dataclass(slots=True)
class Recorder:
    """Keeps what passes, up to MAX_OCTETS; what comes after that is counted, not kept."""

    clock: Clock
    limit: int = MAX_OCTETS
    dropped: int = 0
    pieces: list[Piece] = field(default_factory=list)
    _kept: int = 0
    _began: float | None = None

    def tap(self, way: str, octets: bytes) -> None:
        """Take octets as they pass; a Session calls this."""
        now = self.clock.monotonic()
        if self._began is None:
            self._began = now
        if self.dropped or self._kept + len(octets) > self.limit or len(self.pieces) >= MAX_PIECES:
            self.dropped += len(octets)  # a gap in the middle would make all behind it worthless
            return
        self._kept += len(octets)
        self.pieces.append(Piece(round((now - self._began) * 1000), way, octets))


def write_capture(stream: TextIO, capture: Capture) -> None:
    """Write a capture, a line for the header and one for each piece."""
    stream.write(json.dumps({"capture": VERSION} | asdict(capture.header)) + "\n")
    stream.writelines(json.dumps({"ms": piece.ms, piece.way: piece.octets.hex()}) + "\n" for piece in capture.pieces)


def read_capture(path: Path) -> Capture:
    """Return the capture in a file; raise BadCapture."""
    try:
        with path.open(encoding="utf-8") as stream:
            return parse_capture(iter(lambda: stream.readline(MAX_LINE + 1), ""), str(path))
    except OSError as error:
        raise BadCapture(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadCapture(f"{path} is no text") from None


def parse_capture(lines: Iterable[str], name: str = "capture") -> Capture:
    """Return the capture that lines are; raise BadCapture that names the line."""
    header: Header | None = None
    pieces: list[Piece] = []
    octets = 0
    for number, line in enumerate(lines, 1):
        where = f"{name}, line {number}"
        fields = _object(line, where)
        if header is None:
            header = _header(fields, where)
            continue
        pieces.append(_piece(fields, where))
        octets += len(pieces[-1].octets)
        if octets > MAX_OCTETS or len(pieces) > MAX_PIECES:
            raise BadCapture(f"{where}: more than {MAX_OCTETS} octets or {MAX_PIECES} pieces")
    if header is None:
        raise BadCapture(f"{name} is empty")
    return Capture(header, tuple(pieces))


def _object(line: str, where: str) -> Mapping[str, object]:
    if len(line) > MAX_LINE:
        raise BadCapture(f"{where}: longer than {MAX_LINE} characters")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise BadCapture(f"{where}: not JSON") from None
    if not isinstance(found, dict):
        raise BadCapture(f"{where}: not a JSON object")
    return found


def _header(fields: Mapping[str, object], where: str) -> Header:
    if fields.get("capture") != VERSION:
        raise BadCapture(f"{where}: no header of a capture of version {VERSION}")
    size, physical = (_number(fields, name, where, optional=True) for name in ("address_size", "server_physical"))
    return Header(
        transport=_word(fields, "transport", where, TRANSPORTS),
        client_id=_number(fields, "client_id", where) or 0,
        server_logical=_number(fields, "server_logical", where) or 0,
        server_physical=physical,
        address_size=size,
        authentication=_word(fields, "authentication", where),
        security=_word(fields, "security", where),
        referencing=_word(fields, "referencing", where, REFERENCINGS),
        model=_word(fields, "model", where),
        max_info=_number(fields, "max_info", where) or 0,
        window=_number(fields, "window", where) or 0,
    )


def _piece(fields: Mapping[str, object], where: str) -> Piece:
    ways = [way for way in (OUT, IN) if way in fields]
    if len(ways) != 1:
        raise BadCapture(f"{where}: either {OUT!r} or {IN!r} is needed")
    try:
        octets = bytes.fromhex(_word(fields, ways[0], where))
    except ValueError:
        raise BadCapture(f"{where}: {ways[0]!r} is not hexadecimal") from None
    return Piece(_number(fields, "ms", where) or 0, ways[0], octets)


def _number(fields: Mapping[str, object], name: str, where: str, *, optional: bool = False) -> int | None:
    value = fields.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadCapture(f"{where}: {name!r} is not a whole number")
    return value


def _word(fields: Mapping[str, object], name: str, where: str, allowed: tuple[str, ...] = ()) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or (allowed and value not in allowed):
        raise BadCapture(f"{where}: {name!r} is {'no text' if not allowed else ' or '.join(allowed) + ' expected'}")
    return value
