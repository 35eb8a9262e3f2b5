"""The object of the current association (class 15, IEC 62056-6-2) and the security setup (class 64).

Who asks, and what was agreed with them, in; object list, partners, names and security of the meter out. Secrets are
written, never read.
"""

from typing import Final

from poller.simulator import axdr
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.objects import DataAccess, Done, ObjectBook, Reading, Selection, constant, number
from poller.simulator.personality import Personality
from poller.simulator.secrecy import KeyRing
from poller.simulator.values import ENUM, OCTETS, Value

NAME: Final = bytes((0, 0, 40, 0, 0, 255))
SECURITY_SETUP: Final = bytes((0, 0, 43, 0, 0, 255))
FRAME_COUNTER: Final = bytes((0, 0, 43, 1, 0, 255))
_ASSOCIATION, _SECURITY, _DATA = 15, 64, 1
_OID: Final = bytes.fromhex("608574050800")
_VERSION: Final = 6
_ASSOCIATED: Final = 2
_LONGEST_SECRET: Final = 64


def install(book: ObjectBook, kind: Personality, ring: KeyRing | None) -> None:
    """Add the association, and where the meter ciphers its security setup and frame counter."""
    setup = SECURITY_SETUP if ring is not None else b""
    book.add(
        _ASSOCIATION,
        NAME,
        {8: number(Form.ENUM, _ASSOCIATED), 9: constant(axdr.octet_string(setup), setup.hex())},
        version=1,
    )
    book.views(
        NAME,
        {
            2: lambda granted, selection: _object_list(book, granted, selection),
            3: lambda granted, _selection: _partners(kind, granted),
            4: lambda granted, _selection: _name(1, granted.context),
            5: lambda granted, _selection: _context(kind, granted),
            6: lambda granted, _selection: _name(2, granted.mechanism),
        },
    )
    book.takes(NAME, {7: _take_secret})
    if ring is not None:
        _security(book, ring)


def _object_list(book: ObjectBook, granted: Granted, _selection: Selection | None) -> Reading:
    entries = [
        axdr.structure((
            Form.UINT16.encode(instance.class_id),
            Form.UINT8.encode(instance.version),
            axdr.octet_string(instance.name),
            book.rights(instance, granted),
        ))
        for instance in book.listed()
    ]
    return Reading(axdr.array(entries), f"{len(entries)} objects")


def _partners(kind: Personality, granted: Granted) -> Reading:
    parts = (Form.INT8.encode(granted.client & 0x7F), Form.UINT16.encode(kind.logical))
    return Reading(axdr.structure(parts), [granted.client, kind.logical])


def _name(arc: int, last: int) -> Reading:
    """Return an object identifier as its octets: application context (1) or mechanism (2)."""
    octets = _OID[:-1] + bytes((arc, last))
    return Reading(axdr.octet_string(octets), octets.hex())


def _context(kind: Personality, granted: Granted) -> Reading:
    parts = (
        axdr.bit_string(granted.conformance.to_bytes(3, "big")),
        Form.UINT16.encode(kind.max_pdu),
        Form.UINT16.encode(granted.max_pdu),
        Form.UINT8.encode(_VERSION),
        Form.INT8.encode(0),
        axdr.octet_string(b""),
    )
    return Reading(axdr.structure(parts), f"{granted.conformance:06x}")


def _take_secret(value: Value, _granted: Granted) -> DataAccess:
    """Accept a new secret and forget it: whoever comes next has to get in as before."""
    good = value.tag == OCTETS and len(value.octets) <= _LONGEST_SECRET
    return DataAccess.SUCCESS if good else DataAccess.TYPE_UNMATCHED


def _security(book: ObjectBook, ring: KeyRing) -> None:
    book.add(
        _SECURITY,
        SECURITY_SETUP,
        {
            2: lambda _forge: _policy(ring),
            3: number(Form.ENUM, ring.keys.suite),
            5: constant(axdr.octet_string(ring.title), ring.title.hex()),
        },
        version=min(1, ring.keys.suite),
    )
    book.views(SECURITY_SETUP, {4: lambda granted, _selection: _title(granted)})
    book.does(SECURITY_SETUP, {1: lambda value, _granted: _activate(ring, value)})
    book.add(_DATA, FRAME_COUNTER, {2: lambda _forge: _frame_counter(ring)})


def _title(granted: Granted) -> Reading:
    return Reading(axdr.octet_string(granted.client_title), granted.client_title.hex())


def _frame_counter(ring: KeyRing) -> Reading:
    return Reading(Form.UINT32.encode(ring.highest()), ring.highest())


def _policy(ring: KeyRing) -> Reading:
    """Return the security policy: 0 to 3 in version 0, bits 2, 3, 5 and 6 in version 1."""
    level = ring.keys.policy >> 4
    found = level if ring.keys.suite == 0 else level << 2 | level << 5
    return Reading(Form.ENUM.encode(found), found)


def _activate(ring: KeyRing, value: Value) -> Done:
    """Method 1, security_activate: the policy rises, it never falls."""
    level = value.number if ring.keys.suite == 0 else (value.number >> 2 | value.number >> 5) & 3
    if value.tag != ENUM or level > 3:
        return Done(DataAccess.TYPE_UNMATCHED)
    if (level << 4) & ring.keys.policy != ring.keys.policy:
        return Done(DataAccess.READ_WRITE_DENIED)
    ring.raise_policy(level << 4)
    return Done()
