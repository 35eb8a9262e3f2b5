"""The relay of a simulated meter and what watches its load: disconnect control (class 70) and limiter (class 71).

Methods and writes in; the state that IEC 62056-6-2 says they lead to, out. No load is measured, nothing trips.
"""

from dataclasses import dataclass
from typing import Final

from common.obis import Obis
from poller.simulator import axdr
from poller.simulator.association import Granted
from poller.simulator.axdr import Form
from poller.simulator.objects import DataAccess, Done, ObjectBook, Reading, constant
from poller.simulator.stores import stored_number
from poller.simulator.values import ENUM, STRUCTURE, Value

DISCONNECT: Final = bytes((0, 0, 96, 3, 10, 255))
LIMITER: Final = bytes((0, 0, 17, 0, 0, 255))
_DISCONNECTED, _CONNECTED, _READY = 0, 1, 2
_LAST_MODE: Final = 6
_NEVER: Final = 0
"""Control mode 0: always connected."""
_DIRECT: Final = frozenset({2, 4})
"""Control modes in which a remote reconnection closes the relay; in the others a person does that."""


@dataclass(slots=True)
class Relay:
    """A disconnect control."""

    state: int = _CONNECTED
    mode: int = 4

    @property
    def connected(self) -> bool:
        """Whether the load has supply."""
        return self.state == _CONNECTED

    def disconnect(self, value: Value, _granted: Granted) -> Done:
        """Method 1, remote_disconnect."""
        return self._switch(value, _DISCONNECTED)

    def reconnect(self, value: Value, _granted: Granted) -> Done:
        """Method 2, remote_reconnect."""
        direct = self.mode in _DIRECT or self.state == _CONNECTED
        return self._switch(value, _CONNECTED if direct else _READY)

    def _switch(self, value: Value, state: int) -> Done:
        if not value.is_number:
            return Done(DataAccess.TYPE_UNMATCHED)
        if self.mode == _NEVER:
            return Done(DataAccess.OTHER_REASON)
        self.state = state
        return Done()

    def set_mode(self, value: Value, _granted: Granted) -> DataAccess:
        """Take a control mode."""
        if value.tag != ENUM:
            return DataAccess.TYPE_UNMATCHED
        if value.number > _LAST_MODE:
            return DataAccess.OTHER_REASON
        self.mode = value.number
        return DataAccess.SUCCESS

    def install(self, book: ObjectBook) -> None:
        """Add the object."""
        book.add(
            70,
            DISCONNECT,
            {
                2: lambda _forge: Reading(axdr.boolean(self.connected), int(self.connected)),
                3: lambda _forge: Reading(Form.ENUM.encode(self.state), self.state),
                4: lambda _forge: Reading(Form.ENUM.encode(self.mode), self.mode),
            },
        )
        book.takes(DISCONNECT, {4: self.set_mode})
        book.does(DISCONNECT, {1: self.disconnect, 2: self.reconnect})


@dataclass(slots=True)
class EmergencyProfile:
    """Attribute 8 of a limiter: which emergency, from when, for how long."""

    encoded: bytes

    def set(self, value: Value, _granted: Granted) -> DataAccess:
        """Take a structure of identifier, date-time and seconds."""
        good = value.tag == STRUCTURE and len(value.parts) == 3 and value.parts[1].date_time is not None
        if not good:
            return DataAccess.TYPE_UNMATCHED
        self.encoded = value.raw
        return DataAccess.SUCCESS


def install_limiter(book: ObjectBook, channel: int) -> None:
    """Add a limiter of the active power, in 10^-1 W."""
    power = Obis(1, channel, 1, 7, 0)
    watched = axdr.structure((Form.UINT16.encode(3), axdr.octet_string(power.to_bytes()), Form.INT8.encode(2)))
    never = axdr.octet_string(bytes.fromhex("ffffffffffffffffff800000"))
    emergency = EmergencyProfile(axdr.structure((Form.UINT16.encode(0), never, Form.UINT32.encode(0))))
    switch = [
        axdr.structure((axdr.octet_string(script), Form.UINT16.encode(selector)))
        for script, selector in ((bytes((0, 0, 10, 0, 106, 255)), 1), (bytes((0, 0, 10, 0, 106, 255)), 2))
    ]
    thresholds = {attribute: stored_number(Form.UINT32, start) for attribute, start in ((4, 60_000), (5, 20_000))}
    durations = {attribute: stored_number(Form.UINT32, 30) for attribute in (6, 7)}
    book.add(
        71,
        LIMITER,
        {
            2: constant(watched, str(power)),
            3: thresholds[4].read,
            **{attribute: store.read for attribute, store in {**thresholds, **durations}.items()},
            8: lambda _forge: Reading(emergency.encoded, emergency.encoded.hex()),
            9: constant(axdr.array(()), []),
            10: constant(axdr.boolean(False), 0),
            11: constant(axdr.structure(switch), "disconnect, reconnect"),
        },
    )
    book.takes(LIMITER, {attribute: store.write for attribute, store in {**thresholds, **durations}.items()})
    book.takes(LIMITER, {8: emergency.set})
