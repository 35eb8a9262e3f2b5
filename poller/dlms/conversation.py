"""A conversation with one meter: open, read, write, invoke, close, as generators that a driver feeds.

Goes in: a Profile, what is to be done, received octets, ReplyTimeout. Comes out: octets to send, values, typed errors.

Drive an exchange so: ``out = next(exchange)``, then for ever: send ``out`` if there is any, wait for octets,
``out = exchange.send(received)``; when the reply's deadline passes, ``out = exchange.throw(ReplyTimeout(...))``.
StopIteration carries the result. Chunks may be split and joined anyhow.

What reading alone does without (writing, methods, ACCESS, short names, ciphers) is loaded at its first use.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from common.errors import BridgeError, Skip
from common.obis import Obis
from poller.dlms import getting
from poller.dlms.association import Association, Mechanism
from poller.dlms.channel import Channel
from poller.dlms.data import Data
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import BadParameter
from poller.dlms.exchange import Counters, Exchange
from poller.dlms.fast import FastReader
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.hdlc_parameters import LinkParameters
from poller.dlms.profile import Profile, Referencing, Transport
from poller.dlms.security import SecuritySource

if TYPE_CHECKING:
    from poller.dlms.access_service import AccessItem, AccessResult
    from poller.dlms.ciphering import Cipher
    from poller.dlms.notification import Notification
    from poller.dlms.short_naming import ShortNaming

__all__ = [
    "Association",
    "AttributeRef",
    "Conversation",
    "Counters",
    "Exchange",
    "Mechanism",
    "MethodRef",
    "Profile",
    "Referencing",
    "Selection",
    "Transport",
]

_CURRENT: Final = Obis(0, 0, 40, 0, 0, 255)
ASSOCIATION_NAMES: Final = {
    Referencing.LN: AttributeRef(15, _CURRENT, 1),
    Referencing.SN: AttributeRef(12, _CURRENT, 1),
}
"""Logical name of the current association: what every association may read (IEC 62056-6-2, Association LN and SN)."""


class Conversation:
    """One meter, one link, one association; not for two exchanges at the same time."""

    def __init__(self, profile: Profile, source: SecuritySource | None = None) -> None:
        self.profile = profile
        self.counters = Counters()
        self._link = profile.make_link(self.counters)
        self._channel = Channel(profile, self._link, self.counters, _cipher(profile, source, self.counters))
        self._lists = getting.ListHabits(profile.use_with_list)
        self._fast = _reader(self._channel, self._lists)
        self._short = _short_naming(self._channel)

    @property
    def association(self) -> Association | None:
        """The terms that bind; None: not associated."""
        return self._channel.terms

    @association.setter
    def association(self, terms: Association | None) -> None:
        self._channel.terms = terms

    @property
    def mid_frame(self) -> bool:
        """Whether the stream ends inside a frame: the driver may then give up after the pause between octets."""
        return self._link.mid_frame

    @property
    def frame_limits(self) -> LinkParameters | None:
        """What was negotiated for HDLC frames; None with WRAPPER, which has none."""
        return self._link.parameters if isinstance(self._link, HdlcLink) else None

    def open(self) -> Exchange[Association]:
        """Connect the link and associate; also to do both anew, on the same stream or a fresh one.

        Raises leaves of Relink, Barred and Reassociate.
        """
        from poller.dlms.opening import associate

        self._channel.terms = None
        yield from self._link.connect()
        return (yield from associate(self._channel))

    def close(self) -> Exchange[None]:
        """Leave the meter in order; no answer raises anything.

        The association is released with WRAPPER and when it is ciphered; DISC ends a plain one with the HDLC link.
        """
        terms = self._channel.terms
        if terms and (terms.ciphered or self.profile.transport is Transport.WRAPPER):
            from poller.dlms.opening import release

            with suppress(BridgeError):
                yield from release(self._channel)
        self._channel.terms = None
        yield from self._link.disconnect()

    def keep_alive(self) -> Exchange[None]:
        """Show the meter that we are there, and see that it is: RR with HDLC, the association's name with WRAPPER."""
        self._channel.require()
        if isinstance(self._link, HdlcLink):
            yield from self._link.keep_alive()
            return
        with suppress(Skip):  # whatever it says of the object, it answers
            yield from self.get(ASSOCIATION_NAMES[self.profile.referencing])

    def get(self, ref: AttributeRef, selection: Selection | None = None) -> Exchange[Data]:
        """Return an attribute's value, or the selected part of it, however many blocks it takes.

        Raises what the meter or the link says, by family: Skip, Again, Reassociate, Relink.
        """
        if self._short:
            return self._short.get(ref, selection)
        return self._fast.get(ref) if selection is None else getting.get(self._channel, ref, selection)

    def get_many(self, refs: Sequence[AttributeRef]) -> Exchange[list[Data | BridgeError]]:
        """Return the values in the order asked, each or the Skip or Again error in its place; raise all others."""
        if self._short:
            return self._short.get_many(refs)
        return self._fast.get_many(refs)

    def set(self, ref: AttributeRef, data: Data, selection: Selection | None = None) -> Exchange[None]:
        """Write an attribute, or the selected part of it; in blocks when it is longer than the meter takes at once."""
        if self._short:
            return self._short.set(ref, data, selection)
        from poller.dlms.setting import set_one

        return set_one(self._channel, ref, data, selection)

    def set_many(self, items: Sequence[tuple[AttributeRef, Data]]) -> Exchange[list[BridgeError | None]]:
        """Write attributes in order; return None or the Skip or Again error in each one's place, raise all others."""
        if self._short:
            return self._short.set_many(items)
        from poller.dlms.setting import set_many

        return set_many(self._channel, items)

    def action(self, method: MethodRef, parameters: Data | None = None) -> Exchange[Data | None]:
        """Invoke a method; return what it returns, None when that is nothing."""
        if self._short:
            return self._short.action(method, parameters)
        from poller.dlms.acting import action

        return action(self._channel, method, parameters)

    def action_many(self, items: Sequence[tuple[MethodRef, Data | None]]) -> Exchange[list[Data | BridgeError | None]]:
        """Invoke methods in order; return what each returns, or the Skip or Again error in its place."""
        if self._short:
            return self._short.action_many(items)
        from poller.dlms.acting import action_many

        return action_many(self._channel, items)

    def access(self, items: "Sequence[AccessItem]") -> "Exchange[list[AccessResult]]":
        """Read, write and invoke in one request, where the meter knows ACCESS."""
        from poller.dlms.accessing import access

        return access(self._channel, items)

    def take_notifications(self) -> "list[Notification]":
        """Return the pushes that came since the last call, the oldest first."""
        taken = list(self._channel.notifications)
        self._channel.notifications.clear()
        return taken


def _cipher(profile: Profile, source: SecuritySource | None, counters: Counters) -> "Cipher | None":
    """Return the cipher that a profile needs; raise BadParameter when there is nothing to feed it."""
    if not profile.needs_source:
        return None
    if source is None:
        raise BadParameter("protected APDUs and high-level security need a source of counters and randomness")
    from poller.dlms.ciphering import Cipher

    return Cipher(profile.security, source, counters)


def _reader(channel: Channel, habits: getting.ListHabits) -> FastReader:
    """Return what reads a conversation's attributes."""
    cipher = channel.cipher
    if cipher is None or not cipher.protects:
        return FastReader(channel, habits)
    from poller.dlms.fast_protected import ProtectedReader

    return ProtectedReader(channel, habits, cipher)


def _short_naming(channel: Channel) -> "ShortNaming | None":
    """Return what names attributes and methods in a conversation with short names."""
    if channel.profile.referencing is Referencing.LN:
        return None
    from poller.dlms.short_naming import ShortNaming

    return ShortNaming(channel, use_lists=channel.profile.use_with_list)
