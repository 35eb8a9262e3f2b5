"""The client's side of an HDLC link in normal response mode (IEC 62056-46, 6.4 and 6.5).

Goes in: payloads (APDUs) to send, received octets, ReplyTimeout. Comes out: octets to send, payloads received.
Numbering, windows, segmentation, acknowledgement and recovery happen here and nowhere else. Recovery: the first fault
in a row asks with RR what arrived, the second sends the I frames in flight again, the third is raised. A gap in N(S)
is asked for with RR, and where the peer then goes on instead of going back, with REJ.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NoReturn

from poller.dlms.errors import LinkDamaged, LinkRefused, LinkReset, MeterBusy, OutOfSequence, ReplyTimeout
from poller.dlms.exchange import Counters, Exchange
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_frame import Frame, FrameKind, information_control, supervisory_control, unnumbered_control
from poller.dlms.hdlc_parameters import LinkParameters, decode_parameters, encode_parameters
from poller.dlms.hdlc_port import HdlcPort
from poller.dlms.hdlc_reactions import Link, Reaction, reaction_to
from poller.dlms.hdlc_reassembly import Reassembly
from poller.dlms.hdlc_window import MODULO, Segment, SendWindow, segments

LINK_RETRIES: Final = 2
"""Faults in a row that recovery answers; a line that fails thrice needs a new link."""
MAX_POLLS: Final = 30
"""RR in a row to a peer that is not ready: some ten seconds on a real line."""
MAX_POLLS_FOR_MORE: Final = 3
"""RR in a row to a peer that has answered already, though something else: mostly it has nothing more."""
MAX_STRAYS: Final = 64
"""Frames without progress that one exchange may bring."""
_LLC_COMMAND: Final = b"\xe6\xe6\x00"


class HdlcLink:
    """One link from a client to a server address."""

    def __init__(self, client: Address, server: Address, proposed: LinkParameters, counters: Counters) -> None:
        self._port = HdlcPort(client, server, counters)
        self.unnumbered = self._port.unnumbered
        self._proposed = proposed
        self._counters = counters
        self.state = Link.DOWN
        self.parameters = LinkParameters()
        """The limits that bind, once the link is up."""
        self.window = SendWindow(1)
        self.expected = 0
        """N(S) of the peer's next I frame."""
        self.rested = False
        """Whether ``at_rest`` was found true, and nothing was begun since."""
        self._parts = Reassembly()
        self._tries = self._polls = self._strays = 0
        self._max_polls = MAX_POLLS
        self._asked = self._stale = self._rejecting = False
        self._rejects = self.insists = True

    @property
    def mid_frame(self) -> bool:
        """Whether octets of what may be an incomplete frame have come."""
        return self._port.mid_frame

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits and nothing is owed: what comes next can only answer what is sent next."""
        waits = self._parts.begun or self._stale or not self.window.idle
        return self.state is Link.UP and not waits and self._port.at_rest

    @property
    def addresses(self) -> tuple[bytes, bytes]:
        """The address fields of what we send and of what we receive, destination first."""
        return self._port.addresses

    def connect(self) -> Exchange[None]:
        """Set normal response mode and take over what the UA grants.

        A peer that refuses gets one DISC and a second SNRM, if we insist: it may hold a session that was never closed.
        Raises LinkRefused, BadFrame, ReplyTimeout, LinkDamaged.
        """
        self._port.reset()
        self._port.patient = False
        answer = yield from self._command(FrameKind.SNRM, Link.OPENING)
        if self.insists and reaction_to(self.state, answer.kind) is Reaction.REFUSED:
            with suppress(ReplyTimeout, LinkDamaged):
                yield from self._command(FrameKind.DISC, Link.CLOSING)
            answer = yield from self._command(FrameKind.SNRM, Link.OPENING)
        if reaction_to(self.state, answer.kind) is Reaction.REFUSED:
            self.state = Link.DOWN
            raise LinkRefused(f"the meter answers SNRM with {answer.kind.name}{', also after a DISC' * self.insists}")
        self.state = Link.UP
        self.parameters = self._proposed.granted(decode_parameters(answer.info))
        self.window = SendWindow(self.parameters.window_tx)
        self.expected = 0
        self._stale = False
        self._parts.clear()
        self._port.patient = self.parameters.window_rx > 1

    def request(self, *apdus: bytes) -> Exchange[bytes]:
        """Send an APDU, or several in a row that are answered together; return the first that comes back.

        Raises ReplyTimeout, LinkDamaged and OutOfSequence when recovery was in vain, LinkReset when the peer left the
        link, MeterBusy when it stays not ready, BadFrame when what it sent is no LLC payload.
        """
        self._require_up()
        self._discard(self._port.clear())
        unfinished = self.window.in_flight
        size = self.parameters.info_tx
        self.window.offer([segment for apdu in apdus for segment in segments(_LLC_COMMAND + apdu, size)])
        if unfinished:
            self._resend()
        else:
            self._send_segments(self.window.due())
        return (yield from self._answer())

    def more(self) -> Exchange[bytes]:
        """Ask for another APDU without sending one: the last was an answer to something older."""
        self._require_up()
        self._poll()
        return (yield from self._answer(MAX_POLLS_FOR_MORE))

    def keep_alive(self) -> Exchange[None]:
        """Ask with RR whether the peer still holds the link (IEC 62056-46, 6.4.4.8); any frame of the link says yes.

        What comes unasked is let pass, counted as a late answer. Raises ReplyTimeout, LinkDamaged, LinkReset,
        OutOfSequence.
        """
        self._require_up()
        self._discard(self._port.clear())
        self._begin()
        self._poll()
        while True:
            try:
                frame = yield from self._port.receive()
            except (ReplyTimeout, LinkDamaged) as fault:
                self._count_fault(fault)
                self._poll()
                continue
            if self._is_alive(frame):
                return

    def at_once(self, octets: int) -> int:
        """Return how many APDUs of a size, one at least, go out before we have to wait for an acknowledgement."""
        return max(1, self.parameters.window_tx // -(-(len(_LLC_COMMAND) + octets) // self.parameters.info_tx))

    def disconnect(self) -> Exchange[None]:
        """Send one DISC, wait for UA or DM; silence and damage end it as well."""
        if self.state is not Link.DOWN:
            with suppress(ReplyTimeout, LinkDamaged):
                yield from self._command(FrameKind.DISC, Link.CLOSING, retries=0)
            self.state = Link.DOWN

    # Commands that one unnumbered frame answers

    def _command(self, kind: FrameKind, state: Link, retries: int = LINK_RETRIES) -> Exchange[Frame]:
        """Send a command, again when nothing usable comes; return the frame that the new state reacts to."""
        self.state = state
        self.rested = False
        self._discard(self._port.clear())
        info = encode_parameters(self._proposed) if kind is FrameKind.SNRM else b""
        tries = 0
        while True:
            self._port.send(unnumbered_control(kind), info)
            try:
                return (yield from self._reacted())
            except (ReplyTimeout, LinkDamaged):
                tries += 1
                if tries > retries:
                    raise
                self._counters.resent += 1

    def _reacted(self) -> Exchange[Frame]:
        for _ in range(MAX_STRAYS):
            frame = yield from self._port.receive()
            if reaction_to(self.state, frame.kind) is not Reaction.IGNORE:
                return frame
            self._discard([frame])
        raise LinkDamaged(f"{MAX_STRAYS} frames came, and none answered")

    # Information transfer

    def _answer(self, max_polls: int = MAX_POLLS) -> Exchange[bytes]:
        """Send what is due and react to what comes until a payload is complete."""
        self._begin()
        self._max_polls = max_polls
        while True:
            try:
                frame = yield from self._port.receive()
            except (ReplyTimeout, LinkDamaged) as fault:
                self._count_fault(fault)
                self._recover()
                continue
            payload = self._react(frame)
            if payload is not None:
                return payload

    def _begin(self) -> None:
        """Count from nothing; what an earlier exchange left incomplete is let pass to its last segment."""
        self._stale = self._stale or self._parts.begun
        self._parts.clear()
        self._tries = self._polls = self._strays = 0
        self._asked = self._rejecting = False

    def _react(self, frame: Frame) -> bytes | None:
        """Do what a frame asks for; return the payload when it completes one."""
        match reaction_to(self.state, frame.kind):
            case Reaction.TAKE:
                return self._take(frame)
            case Reaction.READY:
                self._ready(frame)
            case Reaction.BUSY:
                self.window.acknowledge(frame.nr)
                self._poll_again(frame)
                self._asked = frame.final
            case Reaction.REPEAT:
                self.window.acknowledge(frame.nr)
                self._send_again("the meter rejects our frames")
            case Reaction.SELECT:
                self._selected(frame)
            case Reaction.LOST:
                self._lost(frame)
            case _:
                self._counters.foreign_frames += 1
                self._stray()
        return None

    def _take(self, frame: Frame) -> bytes | None:
        """Accept an I frame that is the expected one; return the payload when it is the last of it."""
        ahead = (frame.ns - self.expected) % MODULO
        if ahead:
            self._unexpected(frame, ahead)
            return None
        self.window.acknowledge(frame.nr)
        self.expected = (self.expected + 1) % MODULO
        self._rejecting = False
        if self._stale or not self.window.idle:
            self._let_pass(frame)
            return None
        self._tries = self._polls = 0
        return self._assemble(frame)

    def _let_pass(self, frame: Frame) -> None:
        """Drop what answers an older request, with all its segments: ours was not there yet when it was made."""
        self._stale = frame.segmented
        self._counters.late_answers += not frame.segmented
        self._stray()
        if frame.final and self.window.idle:
            self._poll()
        elif frame.final:
            self._send_again("the meter does not acknowledge")

    def _assemble(self, frame: Frame) -> bytes | None:
        """Add a segment; return the payload, without its LLC header (IEC 62056-46, 5), when it was the last."""
        self._parts.add(frame.info)
        if not frame.info:  # segments without content would never end
            self._stray()
        if frame.segmented:
            if frame.final:
                self._port.send(supervisory_control(FrameKind.RR, self.expected))
            return None
        return self._parts.payload()

    def _unexpected(self, frame: Frame, ahead: int) -> None:
        """Handle an I frame that was there already, or comes before the one that is missing.

        A repetition is dropped and not answered: the N(R) of our next frame acknowledges it, while an RR now, with a
        request under way, would make a strict meter repeat once more, for ever.
        """
        self._counters.out_of_sequence += 1
        self._stray()
        window = self.parameters.window_rx
        if ahead < max(MODULO - window, window) and frame.final:
            self._count_try(f"N(S) {frame.ns} came, {self.expected} is expected")
            self._ask_again()

    def _ask_again(self) -> None:
        """Ask for everything from the missing frame on: with RR, the second time with REJ (ISO/IEC 13239, 5.6).

        RR with the poll bit has a peer send again what is not acknowledged; some go on behind it. REJ leaves no doubt,
        but IEC 62056-46 does not ask for it: a meter that leaves it unanswered, or ends the link at it, gets none more.
        """
        if self._tries > 1 and self._rejects and self.parameters.window_rx > 1:
            self._rejecting = True
            self._counters.polls += 1
            self._port.send(supervisory_control(FrameKind.REJ, self.expected))
        else:
            self._poll()

    def _selected(self, frame: Frame) -> None:
        """Handle SREJ: send the one frame that it names again; only with the final bit does it acknowledge others."""
        if frame.final:
            self.window.acknowledge(frame.nr)
        wanted = [numbered for numbered in self.window.in_flight if numbered[0] == frame.nr]
        self._send_again("the meter rejects a frame of ours", wanted)

    def _ready(self, frame: Frame) -> None:
        """Handle RR: an acknowledgement, and with the final bit our turn."""
        if self.window.acknowledge(frame.nr):
            self._tries = 0
        if self.window.in_flight and frame.final:
            if not self._asked:  # else it says what we asked: our frame was lost, which is counted, or not taken (RNR)
                self._count_try("the meter does not acknowledge")
            self._asked = False
            self._resend()
        elif self.window.idle:
            self._poll_again(frame)
        elif frame.final:
            self._send_segments(self.window.due())

    def _poll_again(self, frame: Frame) -> None:
        """Ask a peer that is alive but not ready once more, if it is our turn."""
        self._polls += 1
        if self._polls > self._max_polls:
            raise MeterBusy(f"the meter was asked {self._max_polls} times, and is still not ready")
        if frame.final:
            self._poll()

    def _is_alive(self, frame: Frame) -> bool:
        """Say whether a frame shows that the link stands; handle what else it says."""
        reaction = reaction_to(self.state, frame.kind)
        if reaction is Reaction.LOST:
            self._lost(frame)
        if reaction is Reaction.IGNORE:
            self._counters.foreign_frames += 1
        elif reaction is Reaction.TAKE and frame.ns == self.expected:
            self.expected = (self.expected + 1) % MODULO
            self._stale = frame.segmented
            self._counters.late_answers += 1
        self._stray()
        return reaction is not Reaction.IGNORE and frame.final

    def _lost(self, frame: Frame) -> NoReturn:
        """Raise what DM and FRMR mean; only after DM is there nothing to close."""
        self._rejects = self._rejects and not self._rejecting
        self.state = Link.DOWN if frame.kind is FrameKind.DM else self.state
        raise LinkReset(f"the meter answers {frame.kind.name} in the middle of a session")

    def _require_up(self) -> None:
        self.rested = False
        if self.state is not Link.UP:
            raise LinkReset("the HDLC link is not open")

    def _count_fault(self, fault: ReplyTimeout | LinkDamaged) -> None:
        """Count a silence or damage; raise it when recovery was in vain."""
        self._rejects = self._rejects and not self._rejecting
        self._tries += 1
        if self._tries > LINK_RETRIES:
            raise fault

    def _recover(self) -> None:
        """After silence or damage: first ask what arrived, then repeat."""
        self._asked = self._tries == 1 or not self.window.in_flight
        if self._asked:
            self._poll()
        else:
            self._resend()

    def _send_again(self, why: str, wanted: Iterable[tuple[int, Segment]] = ()) -> None:
        """Repeat what is wanted, else all in flight, or go on when nothing is; raise OutOfSequence when in vain."""
        self._count_try(why)
        repeated = list(wanted) or self.window.in_flight
        self._counters.resent += len(repeated)
        if self.window.idle:
            self._poll()
        else:
            self._send_segments(repeated or self.window.due())

    def _count_try(self, why: str) -> None:
        self._tries += 1
        if self._tries > LINK_RETRIES:
            raise OutOfSequence(f"{why}, and recovery is in vain")

    def _stray(self) -> None:
        """Count a frame that brings nothing; raise OutOfSequence when there are too many."""
        self._strays += 1
        if self._strays > MAX_STRAYS:
            raise OutOfSequence(f"more than {MAX_STRAYS} frames came that brought the answer no nearer")

    def _poll(self) -> None:
        self._counters.polls += 1
        self._port.send(supervisory_control(FrameKind.RR, self.expected))

    def _resend(self) -> None:
        flight = self.window.in_flight
        self._counters.resent += len(flight)
        self._send_segments(flight)

    def _send_segments(self, numbered: list[tuple[int, Segment]]) -> None:
        """Send I frames; the last one passes the turn."""
        for place, (ns, segment) in enumerate(numbered, 1):
            control = information_control(ns, self.expected, poll=place == len(numbered))
            self._port.send(control, segment.info, more=segment.more)

    def _discard(self, frames: Iterable[Frame]) -> None:
        """Count frames that came when nobody waited for them."""
        for frame in frames:
            if frame.kind is FrameKind.I:
                self._counters.out_of_sequence += 1
            else:
                self._counters.foreign_frames += 1
