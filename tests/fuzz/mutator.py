"""Known octets to hostile ones: changed, cut, doubled, spliced, lied about; then checksums made right again.

Goes in: octets, others of the same kind, a seeded source of chance. Comes out: a mutant, the same one for the same
seed. What a mutant is fed to is not known here. ``chance`` is Random.random: it is asked millions of times.
"""

from collections.abc import Callable, Sequence
from typing import Final

from poller.dlms.fcs import check_sequence

Chance = Callable[[], float]

LONGEST: Final = 8_192
"""Octets of a mutant: doubling ends there. Longer inputs are the business of ``scaling``."""
_TELLING: Final = bytes.fromhex("00017f7e80818283848f90feff7fa0a8c0c4e6e7db0f01021309")
"""Octets at which parsers branch: flags, long lengths, limits, tags."""
_TAGS: Final = bytes(range(28)) + bytes.fromhex("ff60616380a1bec0c4c5c7c8ccd8d9dadbdce0")
"""Of Data, of APDUs, of their fields."""
_LENGTHS: Final = tuple(
    map(bytes.fromhex, ("00", "7f", "80", "8100", "81ff", "820000", "82ffff", "83ffffff", "8400000001", "84ffffffff",
                        "8fffffffff", "85ffffffffff", "ff"))
)  # fmt: skip
_MOST_MUTATIONS: Final = 4


def _flip(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets[at] ^= 1 << int(chance() * 8)


def _set(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets[at] = int(chance() * 256)


def _tell(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets[at] = _TELLING[int(chance() * len(_TELLING))]


def _tag(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets[at] = _TAGS[int(chance() * len(_TAGS))]


def _count(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets[at] = octets[at] + int(chance() * 9) - 4 & 0xFF


def _length(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets[at : at + 1] = _LENGTHS[int(chance() * len(_LENGTHS))]


def _insert(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets[at:at] = bytes(int(chance() * 256) for _ in range(1 + int(chance() * 8)))


def _delete(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    del octets[at : at + 1 + int(chance() * chance() * len(octets))]


def _truncate(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    del octets[at:]


def _duplicate(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    part = octets[at : at + 1 + int(chance() * 32)]
    times = 1 + int(chance() ** 8 * LONGEST / len(part))
    octets[at:at] = part * times


def _splice(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    other = others[int(chance() * len(others))]
    octets[at:] = other[int(chance() * len(other)) :]


def _transplant(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    other = others[int(chance() * len(others))]
    begin = int(chance() * len(other))
    size = 1 + int(chance() * 32)
    octets[at : at + size] = other[begin : begin + size]


def _append(octets: bytearray, at: int, chance: Chance, others: Sequence[bytes]) -> None:
    octets += others[int(chance() * len(others))]


_MUTATIONS: Final = (
    _flip, _flip, _flip, _set, _tell, _tell, _tag, _tag, _count, _count, _length, _length, _insert, _delete, _truncate,
    _duplicate, _splice, _transplant, _transplant, _append,
)  # fmt: skip


def mutated(octets: bytes, chance: Chance, others: Sequence[bytes]) -> bytes:
    """Return octets changed in one to four ways."""
    mutant = bytearray(octets)
    for _ in range(1 + int(chance() * chance() * _MOST_MUTATIONS)):
        if not mutant:
            mutant += others[int(chance() * len(others))] or b"\0"
        at = int(chance() * len(mutant))
        _MUTATIONS[int(chance() * len(_MUTATIONS))](mutant, at, chance, others)
    return bytes(mutant[:LONGEST])


def random_octets(chance: Chance, getrandbits: Callable[[int], int], most: int = 200) -> bytes:
    """Return noise, sometimes made of telling octets alone."""
    size = 1 + int(chance() * chance() * most)
    noise = getrandbits(8 * size).to_bytes(size, "big")
    return bytes(_TELLING[octet % len(_TELLING)] for octet in noise) if chance() < 0.3 else noise


def resealed_frame(addresses: bytes, control: int, info: bytes, *, segmented: bool = False) -> bytes:
    """Return an HDLC frame with a right length and right check sequences, whatever is in it (IEC 62056-46, 6.4.2)."""
    length = 2 + len(addresses) + 1 + 2 + (len(info) + 2 if info else 0)
    header = (0xA000 | segmented << 11 | length & 0x7FF).to_bytes(2, "big") + addresses + bytes((control,))
    header += check_sequence(header)
    if info:
        header += info
        header += check_sequence(header)
    return b"\x7e" + header + b"\x7e"


def resealed_line(line: bytes) -> bytes:
    """Return a line whose frames, between flags, all have right lengths and check sequences again."""
    frames = []
    for body in line.split(b"\x7e"):
        if len(body) < 7:
            continue
        end = _addresses_end(body)
        frames.append(resealed_frame(body[2:end], body[end], body[end + 3 : -2][:2030], segmented=bool(body[0] & 8)))
    return b"".join(frames)


def _addresses_end(body: bytes) -> int:
    """Return where the control octet stands: behind two fields that end with their first odd octet."""
    at = 2
    for _ in range(2):
        field = at
        while at < len(body) - 3 and not body[at] & 1 and at - field < 3:
            at += 1
        at = min(at + 1, len(body) - 3)
    return at


def rewrapped(messages: bytes, chance: Chance) -> bytes:
    """Return octets as one WRAPPER message with a right length: what was behind the first header, again."""
    ports = (1, 1) if chance() < 0.8 else (int(chance() * 65536), int(chance() * 65536))
    apdu = messages[8:]
    return b"".join(number.to_bytes(2, "big") for number in (1, *ports, len(apdu) & 0xFFFF)) + apdu
