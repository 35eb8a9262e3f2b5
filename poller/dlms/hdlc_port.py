"""Frames to and from one peer address, over a stream that may do anything to them.

Goes in: control octets and information to send, received octets, ReplyTimeout. Comes out: octets to send, good frames
of our peer. Numbers, windows and the meaning of frames belong to ``hdlc_link``.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from poller.dlms.errors import BadFrame, LinkDamaged, ReplyTimeout
from poller.dlms.exchange import Counters, Exchange, swap
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import Frame, FrameKind, pack_frame
from poller.dlms.hdlc_reassembly import Reassembly, begins_payload

MAX_NOISE: Final = 0x10000
"""Octets in a row without a frame for us: half a minute of a line at full speed."""

MAX_UNNUMBERED: Final = 16
"""Pushes in UI frames that one exchange may bring; more than a meter sends while it answers."""


class HdlcPort:
    """What is to be sent, and what has come and was not looked at yet."""

    def __init__(self, client: Address, server: Address, counters: Counters) -> None:
        self._client, self._server = client, server
        ours, theirs = client.to_bytes(), server.to_bytes()
        self.addresses = theirs + ours, ours + theirs
        """The address fields of what we send and of what we receive, destination first."""
        self._counters = counters
        self._decoder = HdlcDecoder(counters)
        self._inbox: deque[Frame] = deque()
        self._outbox: list[bytes] = []
        self.unnumbered: deque[bytes] = deque(maxlen=MAX_UNNUMBERED)
        """Payloads of UI frames for us: pushes in the middle of a session (IEC 62056-46, 6.4.3.2)."""
        self._pushed = Reassembly()
        self._noise = 0
        self._suspect = False
        self.patient = False
        """Whether other frames may follow a damaged one: then it raises nothing, and what follows shows the gap."""

    @property
    def mid_frame(self) -> bool:
        """Whether octets of what may be an incomplete frame have come, or damage behind which others may follow."""
        return self._decoder.waiting or self._suspect

    @property
    def at_rest(self) -> bool:
        """Whether nothing is to be sent or looked at, and the next octet begins a frame."""
        return self._decoder.at_rest and not (self._inbox or self._outbox or self.unnumbered or self._suspect)

    def reset(self) -> None:
        """Begin on a stream of which nothing is known."""
        self._decoder.reset()
        self._pushed.clear()
        self.clear()

    def clear(self) -> list[Frame]:
        """Forget what is to be sent; return what had come, which is too old now."""
        self._outbox.clear()
        stale = list(self._inbox)
        self._inbox.clear()
        return stale

    def send(self, control: int, info: bytes = b"", *, more: bool = False) -> None:
        """Queue a frame; it goes out when everything that has come was looked at."""
        self._outbox.append(pack_frame(self.addresses[0], control, info, segmented=more))

    def receive(self) -> Exchange[Frame]:
        """Return the next frame from our peer; what is to be sent goes first, if nothing waits to be looked at.

        Raises ReplyTimeout as it was thrown, and LinkDamaged when nothing but damage came.
        """
        while not self._inbox:
            out = b"".join(self._outbox)
            self._counters.frames_sent += len(self._outbox)
            self._outbox.clear()
            self._suspect = self._suspect and not out
            bad_before = self._counters.bad_frames
            try:
                received = yield from swap(self._counters, out)
            except ReplyTimeout:
                self._suspect = False
                self._sort(self._decoder.expire())
                if not self._inbox:
                    raise
                break
            self._noise += len(received)
            self._sort(self._decoder.feed(received))
            self._check_damage(damaged=self._counters.bad_frames > bad_before)
        return self._inbox.popleft()

    def _check_damage(self, *, damaged: bool) -> None:
        if damaged and self.patient:
            self._suspect = True
        if self._inbox:
            self._noise = 0
        elif self._noise > MAX_NOISE:
            self._noise = 0
            raise LinkDamaged(f"{MAX_NOISE} octets without a frame for us")
        elif damaged and not self._decoder.waiting and not self.patient:
            raise LinkDamaged("a damaged frame")

    def _sort(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if frame.source != self._server or frame.destination != self._client:
                self._counters.foreign_frames += 1
                continue
            if frame.kind is FrameKind.UI and frame.info:
                self._keep(frame)
            self._inbox.append(frame)  # also a push: a flood of them brings no answer nearer

    def _keep(self, frame: Frame) -> None:
        """Keep what came unnumbered, segments put together; what is no payload, or one too many, is dropped."""
        if self._pushed.begun and begins_payload(frame.info):  # the one before never ended
            self._pushed.clear()
            self._counters.notifications_dropped += 1
        try:
            self._pushed.add(frame.info)
            if frame.segmented:
                return
            self._counters.notifications_dropped += len(self.unnumbered) == MAX_UNNUMBERED
            self.unnumbered.append(self._pushed.payload())
        except BadFrame:
            self._pushed.clear()
            self._counters.notifications_dropped += 1
