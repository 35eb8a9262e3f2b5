"""Data-notifications of a simulated meter (IEC 62056-5-3): what it says without being asked.

A meter in; an APDU, or the octets of one to be sent to a listener, out. Who sends it is not known here.
"""

from enum import StrEnum
from typing import Final

from poller.simulator import axdr, frames, quantities, wrapping
from poller.simulator.axdr import Form
from poller.simulator.device import Device
from poller.simulator.frames import Frame
from poller.simulator.link import FROM_SERVER
from poller.simulator.secrecy import Guard

TAG: Final = 0x0F
_UI: Final = 0x03
_LONGEST_FRAME: Final = 2_030


class PushForm(StrEnum):
    """How a notification travels to a listener."""

    WRAPPER = "wrapper"
    HDLC = "hdlc"
    """One UI frame; a long notification in several, all but the last marked as segments."""
    RAW = "raw"
    """The APDU alone."""


def notification(device: Device, *, dated: bool = True) -> bytes:
    """Return a data-notification: logical device name, clock, the energy that the next GET answers, a voltage."""
    device.pushed += 1
    moment = device.time.moment(device.time.now_ms())
    body = axdr.structure((
        axdr.octet_string(f"SIM{device.serial[-8:]:0>13}".encode()),
        axdr.octet_string(moment),
        Form.UINT32.encode(device.registers.energy),
        Form.UINT32.encode(quantities.voltage(device.registers.count)),
    ))
    head = bytes((TAG,)) + device.pushed.to_bytes(4, "big")
    return head + (axdr.length(len(moment)) + moment if dated else b"\x00") + body


def addressed(device: Device, form: PushForm, client: int, apdu: bytes) -> bytes:
    """Return the octets that carry an APDU to a listener with that SAP."""
    kind = device.kind
    if form is PushForm.RAW:
        return apdu
    if form is PushForm.WRAPPER:
        return wrapping.wrap(kind.logical, client, apdu)
    server = frames.address(kind.logical, kind.physical, kind.preferred_size)
    info = FROM_SERVER + apdu
    size = min(kind.max_info, _LONGEST_FRAME)
    parts = [info[at : at + size] for at in range(0, len(info), size)]
    return b"".join(
        frames.encode(Frame(bytes((client << 1 | 1,)), server, _UI, part, segmented=part is not parts[-1]))
        for part in parts
    )


def ciphered(device: Device, apdu: bytes) -> bytes:
    """Return an APDU in general-glo-ciphering; as it is when the meter has no keys."""
    return apdu if device.ring is None else Guard(device.ring, b"").notify(apdu)
