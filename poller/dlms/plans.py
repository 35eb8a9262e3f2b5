"""Requests and their usual answers as octets on the line, worked out once (IEC 62056-46, 6.4.1; IEC 62056-47).

Goes in: the link, what is asked for by invoke id, how the usual answer begins and how many octets it has. Comes out:
the octets of a request, and whether received octets are exactly the usual answer to it. Anything else about an answer
belongs to the link: here nothing is counted or numbered before every octet of it was right.

Of a frame, the header depends on N(S), N(R) and the length; the rest, check sequence included, on the information alone
(``fcs.information_sequence``). So each is kept for itself and a frame is two parts put together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from poller.dlms.exchange import Counters
from poller.dlms.fcs import information_sequence, is_information_intact
from poller.dlms.hdlc_frame import FLAG, information_control, pack_frame
from poller.dlms.hdlc_link import HdlcLink
from poller.dlms.hdlc_window import MODULO
from poller.dlms.wrapper import HEADER, Wpdu, WrapperLink

INVOKE_IDS: Final = 16
_LLC_COMMAND: Final = b"\xe6\xe6\x00"
_LLC_RESPONSE: Final = b"\xe6\xe7\x00"
_FLAG: Final = b"~"
_BEHIND: Final = 3
"""Octets behind the information of a frame: check sequence and flag."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One request and its usual answer; tuples go by invoke id."""

    requests: tuple[bytes, ...]
    """What is sent, without the header of a frame."""
    sent: int
    """Octets of the request on the line."""
    beginnings: tuple[bytes, ...]
    """How the answer begins, behind the header of a frame."""
    octets: int
    """Of the answer on the line."""
    values: int
    """Where in the answer the values begin."""
    request_headers: "Headers"
    answer_headers: "Headers"


class Headers(dict[int, bytes]):
    """The headers of frames of one length and direction, by the turn: N(R) << 3 | N(S) of our next I frame."""

    def __init__(self, addresses: bytes, information: int, *, answers: bool) -> None:
        super().__init__()
        self._addresses, self._answers = addresses, answers
        self._information = bytes(information)
        self.octets = len(pack_frame(addresses, 0, self._information)) - information - _BEHIND

    def __missing__(self, turn: int) -> bytes:
        ours, theirs = turn % MODULO, turn // MODULO
        if self._answers:
            ours, theirs = theirs, (ours + 1) % MODULO
        frame = pack_frame(self._addresses, information_control(ours, theirs, poll=True), self._information)
        self[turn] = frame[: self.octets]
        return self[turn]


class HdlcLine:
    """Plans over an HDLC link; the link keeps the numbers."""

    def __init__(self, link: HdlcLink, counters: Counters) -> None:
        self.link = link
        self._counters = counters
        self._headers: dict[tuple[int, bool], Headers] = {}

    def plan(self, requests: Sequence[bytes], beginnings: Sequence[bytes], values: int) -> Plan | None:
        """Return the plan for APDUs and answers of so many octets behind their beginnings; None: not in one frame."""
        asked = [_LLC_COMMAND + apdu for apdu in requests]
        begun = tuple(_LLC_RESPONSE + beginning for beginning in beginnings)
        ask, answer = len(asked[0]), len(begun[0]) + values
        if ask > self.link.parameters.info_tx or answer > self.link.parameters.info_rx:
            return None
        request_headers, answer_headers = self._of(ask, answers=False), self._of(answer, answers=True)
        return Plan(
            tuple(info + information_sequence(info) + _FLAG for info in asked),
            request_headers.octets + ask + _BEHIND,
            begun,
            answer_headers.octets + answer + _BEHIND,
            answer_headers.octets + len(begun[0]),
            request_headers,
            answer_headers,
        )

    def ask(self, plan: Plan, invoke: int) -> bytes:
        """Return the octets of the request, with the numbers of this turn."""
        return plan.request_headers[self.link.expected << 3 | self.link.window.oldest] + plan.requests[invoke]

    def carry(self, plan: Plan, apdu: bytes) -> bytes:
        """Return the octets of a request that is made anew each time, and as long as the plan's."""
        info = _LLC_COMMAND + apdu
        header = plan.request_headers[self.link.expected << 3 | self.link.window.oldest]
        return header + info + information_sequence(info) + _FLAG

    def carried(self, plan: Plan, received: bytes) -> bytes:
        """Return the APDU in the usual answer."""
        return received[plan.answer_headers.octets + len(_LLC_RESPONSE) : -_BEHIND]

    def is_usual(self, plan: Plan, invoke: int, received: bytes) -> bool:
        """Say whether octets are the usual answer of this turn, whole and alone, and its checksums right."""
        headers = plan.answer_headers
        start = headers.octets
        return (
            len(received) == plan.octets
            and received.startswith(headers[self.link.expected << 3 | self.link.window.oldest])
            and received.startswith(plan.beginnings[invoke], start)
            and received[-1] == FLAG
            and is_information_intact(received[start:-1])
        )

    def pass_turn(self, plan: Plan) -> None:
        """Count and number an exchange, as the link would have."""
        link, window, counters = self.link, self.link.window, self._counters
        link.expected = (link.expected + 1) % MODULO
        window.oldest = (window.oldest + 1) % MODULO
        counters.frames_sent += 1
        counters.frames_received += 1
        counters.round_trips += 1
        counters.octets_sent += plan.sent
        counters.octets_received += plan.octets

    def _of(self, information: int, *, answers: bool) -> Headers:
        """Return the headers for a length; there are not more lengths than an information field has octets."""
        found = self._headers.get((information, answers))
        if found is None:
            found = self._headers[information, answers] = Headers(
                self.link.addresses[answers], information, answers=answers
            )
        return found


class WrapperLine:
    """Plans over a WRAPPER link."""

    def __init__(self, link: WrapperLink, counters: Counters) -> None:
        self.link = link
        self._counters = counters

    def plan(self, requests: Sequence[bytes], beginnings: Sequence[bytes], values: int) -> Plan:
        """Return the plan for APDUs and answers of so many octets behind their beginnings."""
        ours, theirs = self.link.ports
        asked = tuple(Wpdu(ours, theirs, apdu).to_bytes() for apdu in requests)
        answers = [Wpdu(theirs, ours, beginning + bytes(values)).to_bytes() for beginning in beginnings]
        octets = len(answers[0])
        begun = tuple(answer[: octets - values] for answer in answers)
        none = Headers(b"", 0, answers=False)
        return Plan(asked, len(asked[0]), begun, octets, octets - values, none, none)

    def ask(self, plan: Plan, invoke: int) -> bytes:
        """Return the octets of the request."""
        return plan.requests[invoke]

    def carry(self, plan: Plan, apdu: bytes) -> bytes:
        """Return the octets of a request that is made anew each time, and as long as the plan's."""
        return plan.requests[0][:HEADER] + apdu

    def carried(self, _plan: Plan, received: bytes) -> bytes:
        """Return the APDU in the usual answer."""
        return received[HEADER:]

    def is_usual(self, plan: Plan, invoke: int, received: bytes) -> bool:
        """Say whether octets are the usual answer, whole and alone."""
        return len(received) == plan.octets and received.startswith(plan.beginnings[invoke])

    def pass_turn(self, plan: Plan) -> None:
        """Count an exchange, as the link would have."""
        counters = self._counters
        counters.frames_sent += 1
        counters.frames_received += 1
        counters.round_trips += 1
        counters.octets_sent += plan.sent
        counters.octets_received += plan.octets
