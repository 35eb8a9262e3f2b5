"""What of the octets that passed may leave the worker: nothing secret, and in doubt nothing at all. Pure.

In: pieces with what was under way when they passed, and the secrets of the meter. Out: the octets of each piece that
may be shown, empty where they are withheld. While the association is made, only whole good frames of a kind that is
known are shown, an AARQ without its password; while it stands, requests that only read, and what came upon them. What
is damaged cannot be searched, and is shown only where nothing that is asked can be answered by a secret.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from poller.dlms.fcs import check_sequence
from poller.dlms.hdlc_frame import FLAG, MAX_OCTETS, Frame, FrameKind, examine, frame_octets
from poller.passed import LLC, OUT, UNKNOWN, WRAPPER_HEADER, WRAPPER_VERSION, Passed, Secrecy, tag_of

AARQ: Final = 0x60
READING: Final = frozenset({0x05, 0x62, 0xC0})
"""readRequest, RLRQ, get-request."""
READING_SEALED: Final = frozenset({0xC8, 0xD0, 0xDB, 0xDC})
"""glo- and ded-get-request, general-glo- and general-ded-ciphering: shown where they are encrypted."""
OPENING: Final = frozenset({AARQ, 0x61, 0x0E, 0xD8})
"""AARQ, AARE, confirmedServiceError, exception-response."""
ACTION_RESPONSE: Final = 0xC7
"""May bring what high-level security answered, also when it comes late."""
_STAR: Final = b"*"


def presentable(pieces: Sequence[Passed], secrecy: Secrecy) -> list[bytes]:
    """Return what may be shown of each piece."""
    if not secrecy.secrets:
        return [piece.octets for piece in pieces]
    shown = [b""] * len(pieces)
    for group in _groups(pieces):
        for number, octets in zip(group, _of_group([pieces[number] for number in group], secrecy), strict=True):
            shown[number] = octets
    return [b""] * len(pieces) if _tells(pieces, shown, secrecy) else shown


def _groups(pieces: Sequence[Passed]) -> Iterator[list[int]]:
    """Give the numbers of what was sent one by one, and of what came between together: a frame may come in parts."""
    group: list[int] = []
    for number, piece in enumerate(pieces):
        if group and (
            piece.way == OUT or pieces[group[-1]].way == OUT or pieces[group[-1]].associated != piece.associated
        ):
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def _of_group(group: Sequence[Passed], secrecy: Secrecy) -> list[bytes]:
    nothing = [b""] * len(group)
    first = group[0]
    if not first.associated:
        whole = b"".join(piece.octets for piece in group)
        if any(piece.cut for piece in group) or not _is_opening(whole, secrecy):
            return nothing
        if tag_of(whole, hdlc=secrecy.hdlc) == AARQ:
            return [_masked(whole, secrecy)] if first.way == OUT else nothing  # a line that echoes
        return [piece.octets for piece in group]
    readable = READING | READING_SEALED if secrecy.encrypted else READING
    late = any(tag_of(piece.octets, hdlc=secrecy.hdlc) == ACTION_RESPONSE for piece in group)
    return [piece.octets for piece in group] if first.request in readable and not late else nothing


def _is_opening(octets: bytes, secrecy: Secrecy) -> bool:
    """Return whether octets are whole, and nothing but what opens an association or belongs to the link alone."""
    return all(tag in OPENING for tag in (_tags_of_frames(octets) if secrecy.hdlc else _tags_of_messages(octets)))


def _tags_of_frames(octets: bytes) -> Iterator[int]:
    """Give the tags of the frames that carry APDUs; UNKNOWN for what is no good frame, or one that is not whole."""
    line = bytearray(octets)
    at = 0
    while at < len(line):
        window = line[at : at + MAX_OCTETS]
        found = examine(window, 0) if line[at] == FLAG else None
        if not isinstance(found, Frame):
            yield UNKNOWN
            return
        at += frame_octets(window, 0)
        if bytes(line[at : at + 2]) in {b"~", b"~~"}:  # a closing flag of its own, not the next frame's opening one
            at += 1
        if found.kind in {FrameKind.I, FrameKind.UI}:
            whole = found.info[:3] in LLC and len(found.info) > 3 and not found.segmented
            yield found.info[3] if whole else UNKNOWN


def _tags_of_messages(octets: bytes) -> Iterator[int]:
    at = 0
    while at < len(octets):
        end = at + WRAPPER_HEADER + int.from_bytes(octets[at + 6 : at + WRAPPER_HEADER], "big")
        whole = octets[at : at + 2] == WRAPPER_VERSION and at + WRAPPER_HEADER < end <= len(octets)
        yield octets[at + WRAPPER_HEADER] if whole else UNKNOWN
        at = end if whole else len(octets)


def _masked(octets: bytes, secrecy: Secrecy) -> bytes:
    """Return an AARQ with stars for the password, its check sequence made anew; nothing when it is not alone.

    ``redaction`` finds passwords that nobody knows, and costs a worker 1.2 MiB; here they are known.
    """
    if secrecy.bare_key:
        return b""
    for secret in secrecy.secrets:
        octets = octets.replace(secret, _STAR * len(secret))
    if not secrecy.hdlc:
        return octets
    if frame_octets(octets, 0) != len(octets) - 1:
        return b""
    return octets[:-3] + check_sequence(octets[1:-3]) + octets[-1:]


def _tells(pieces: Sequence[Passed], shown: Sequence[bytes], secrecy: Secrecy) -> bool:
    """Return whether a secret stands in what would be shown, in spite of everything."""
    lines: dict[str, bytes] = {}
    for piece, octets in zip(pieces, shown, strict=True):
        lines[piece.way] = lines.get(piece.way, b"") + octets
    return any(secret in line for line in lines.values() for secret in secrecy.secrets)
