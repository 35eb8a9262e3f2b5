"""What SNRM proposes and UA grants: information length and window (IEC 62056-46, 6.4.4.4.3.2).

Goes in: our proposal, or the information field of a UA. Comes out: the octets of the SNRM, or the limits that bind.
"""

from dataclasses import dataclass
from typing import Final

from poller.dlms.errors import BadFrame, BadParameter

DEFAULT_INFO: Final = 128
DEFAULT_WINDOW: Final = 1
MAX_INFO: Final = 2030
"""The largest information field of IEC 62056-46."""
MAX_WINDOW: Final = 7
"""Numbering is modulo 8."""
_FORMAT: Final = 0x81
_GROUP: Final = 0x80
_INFO_TX, _INFO_RX, _WINDOW_TX, _WINDOW_RX = 5, 6, 7, 8
_NAMES: Final = (_INFO_TX, _INFO_RX, _WINDOW_TX, _WINDOW_RX)
_MAX_VALUE_OCTETS: Final = 4


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """Limits as one side sees them: what it transmits and what it receives."""

    info_tx: int = DEFAULT_INFO
    info_rx: int = DEFAULT_INFO
    window_tx: int = DEFAULT_WINDOW
    window_rx: int = DEFAULT_WINDOW

    def granted(self, answer: "LinkParameters") -> "LinkParameters":
        """Return what binds us after the peer's answer: the smaller, our transmission being its reception."""
        return LinkParameters(
            min(self.info_tx, answer.info_rx),
            min(self.info_rx, answer.info_tx),
            min(self.window_tx, answer.window_rx),
            min(self.window_rx, answer.window_tx),
        )


def proposal(max_info: int, window: int) -> LinkParameters:
    """Return what we ask for in both directions; raise BadParameter outside the standard's range."""
    if not DEFAULT_INFO <= max_info <= MAX_INFO:
        raise BadParameter(f"the HDLC information length must be {DEFAULT_INFO} to {MAX_INFO}, not {max_info}")
    if not 1 <= window <= MAX_WINDOW:
        raise BadParameter(f"the HDLC window must be 1 to {MAX_WINDOW}, not {window}")
    return LinkParameters(max_info, max_info, window, window)


def encode_parameters(parameters: LinkParameters) -> bytes:
    """Return the information field of an SNRM; empty when everything is the standard's default."""
    if parameters == LinkParameters():
        return b""
    group = b"".join((
        _info_item(_INFO_TX, parameters.info_tx),
        _info_item(_INFO_RX, parameters.info_rx),
        bytes((_WINDOW_TX, 4)) + parameters.window_tx.to_bytes(4, "big"),
        bytes((_WINDOW_RX, 4)) + parameters.window_rx.to_bytes(4, "big"),
    ))
    return bytes((_FORMAT, _GROUP, len(group))) + group


def decode_parameters(info: bytes) -> LinkParameters:
    """Return what the information field of an SNRM or UA says (IEC 62056-46, 6.4.4.4.3.2).

    What it leaves out has its default; more than was asked for, or than there is, is no fault: the smaller binds.
    Raises BadFrame when the field is malformed or a value is 0.
    """
    if not info:
        return LinkParameters()
    if info[0] != _FORMAT:
        raise BadFrame(f"the parameters of a UA begin with 81, not {info[0]:02x}")
    values = {_INFO_TX: DEFAULT_INFO, _INFO_RX: DEFAULT_INFO, _WINDOW_TX: DEFAULT_WINDOW, _WINDOW_RX: DEFAULT_WINDOW}
    for group, content in _items(info[1:]):
        if group == _GROUP:
            values.update((name, _number(value)) for name, value in _items(content))
    if min(values[name] for name in _NAMES) < 1:
        raise BadFrame(f"a UA grants what cannot be: {info.hex()}")
    return LinkParameters(*(values[name] for name in _NAMES))


def _info_item(name: int, value: int) -> bytes:
    size = 1 if value < 0x100 else 2
    return bytes((name, size)) + value.to_bytes(size, "big")


def _items(octets: bytes) -> list[tuple[int, bytes]]:
    """Return the (identifier, content) pairs that octets consist of; raise BadFrame when the last is cut."""
    items, at = [], 0
    while at < len(octets):
        if at + 2 > len(octets) or at + 2 + octets[at + 1] > len(octets):
            raise BadFrame(f"the parameters of a UA are cut: {octets.hex()}")
        items.append((octets[at], octets[at + 2 : at + 2 + octets[at + 1]]))
        at += 2 + octets[at + 1]
    return items


def _number(octets: bytes) -> int:
    if not 1 <= len(octets) <= _MAX_VALUE_OCTETS:
        raise BadFrame(f"a parameter of a UA has {len(octets)} octets, expected 1 to {_MAX_VALUE_OCTETS}")
    return int.from_bytes(octets, "big")
