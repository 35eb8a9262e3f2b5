"""What meters push, from the octets of a line to notifications; no association, no answer (IEC 62056-5-3, 6.10).

Goes in: octets as they come, and what deciphers. Comes out: each notification with where it came from, or the typed
error in its place. One bad push costs one push; what cannot be used is counted by kind, never raised. Only a WRAPPER
stream that lost step ends: ``broken`` says so, and its driver closes it.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from common.errors import BridgeError
from poller.dlms.block_service import GENERAL_BLOCK, decode_general_block
from poller.dlms.ciphered import CIPHERED
from poller.dlms.errors import DecipheringFailed, LinkDamaged, UnexpectedReply
from poller.dlms.exchange import Counters
from poller.dlms.notification import Notification, decode_notification
from poller.dlms.push_streams import Framing, Origin, Payload, Unfinished, stream_of

Unprotect = Callable[[bytes], bytes]
"""A protected APDU to the plain one, as ``Cipher.unprotect``."""
_FIRST_BLOCK: Final = 1


@dataclass(frozen=True, slots=True)
class Heard:
    """One push: what it says, or why it cannot be told."""

    origin: Origin
    content: Notification | BridgeError
    ciphered: bool = False


class PushListener:
    """Listens to one stream: one connection, one serial line, or all datagrams of one sender."""

    def __init__(self, framing: Framing, unprotect: Unprotect | None = None) -> None:
        self.counters = Counters()
        self.refused: Counter[str] = Counter()
        """Pushes that could not be used, by the kind of their error."""
        self.broken = False
        self._stream = stream_of(framing, self.counters)
        self._blocks = _Blocks()
        self._unprotect = unprotect

    def feed(self, octets: bytes) -> list[Heard]:
        """Take what arrived; return what is complete now."""
        self.counters.octets_received += len(octets)
        try:
            payloads = self._stream.feed(octets)
        except LinkDamaged as error:
            self.broken = True
            payloads = [(Origin(), error)]
        return self._heard(payloads)

    def expire(self) -> list[Heard]:
        """Nothing more came for a while: return what was complete after all."""
        return self._heard(self._stream.expire())

    def _heard(self, payloads: Iterable[Payload]) -> list[Heard]:
        heard: list[Heard] = []
        for origin, payload in payloads:
            found = self._understood(origin, payload)
            if found is None:
                continue
            if isinstance(found.content, BridgeError):
                self.refused[type(found.content).kind] += 1
            else:
                self.counters.notifications += 1
            heard.append(found)
        return heard

    def _understood(self, origin: Origin, payload: bytes | BridgeError) -> Heard | None:
        """Return what a payload says; None when it is a part of something longer."""
        if isinstance(payload, BridgeError):
            return Heard(origin, payload)
        ciphered = False
        try:
            apdu = self._blocks.add(origin, payload) if payload[:1] == bytes((GENERAL_BLOCK,)) else payload
            if apdu is None:
                return None
            ciphered = apdu[:1] != b"" and apdu[0] in CIPHERED
            return Heard(origin, decode_notification(self._plain(apdu, ciphered=ciphered)), ciphered)
        except BridgeError as error:
            return Heard(origin, error, ciphered)

    def _plain(self, apdu: bytes, *, ciphered: bool) -> bytes:
        if self._unprotect is not None:
            return self._unprotect(apdu)
        if ciphered:
            raise DecipheringFailed(f"a ciphered push with tag {apdu[0]:02x}, and there are no keys")
        return apdu


class _Blocks:
    """General blocks of pushes: they come in order, and nobody asks for one again (Green Book 9.4.6.13)."""

    def __init__(self) -> None:
        self._unfinished = Unfinished()
        self._last: dict[Origin, int] = {}

    def add(self, origin: Origin, octets: bytes) -> bytes | None:
        """Return the APDU when this block completes it; raise UnexpectedReply when one before it is missing."""
        block = decode_general_block(octets)
        last = self._last.get(origin, 0) if origin in self._unfinished else 0
        if block.number == last and last:
            return None
        if block.number == _FIRST_BLOCK:
            self._unfinished.drop(origin)
        elif block.number != last + 1:
            self._unfinished.drop(origin)
            raise UnexpectedReply(f"block {block.number} of a push came, {last + 1} was expected")
        self._last = {kept: number for kept, number in self._last.items() if kept in self._unfinished}
        self._unfinished.add(origin, block.data)
        self._last[origin] = block.number
        return self._unfinished.whole(origin) if block.last else None
