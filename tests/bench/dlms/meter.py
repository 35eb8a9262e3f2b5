"""The bench's meter: one process, three ports (HDLC, WRAPPER, ciphered WRAPPER), fixed values, answers at once.

``python -m tests.bench.dlms.meter`` prints one line of JSON with its ports; each line on standard input is answered
with how many requests were answered so far. It is leaner than ``meterctl simulate``, whose values move and which costs
more than a fast client: with HDLC and plain WRAPPER the answer depends on the request's octets alone (the numbers of an
answer are the request's), so each is worked out once and then looked up. It trusts its clients; strictness is the
simulator's.
"""

import json
import selectors
import socket
import sys
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from poller.simulator import frames
from tests.bench.dlms.facts import AUTHENTICATION_KEY, ENCRYPTION_KEY, METER_TITLE, REGISTERS

MAX_KNOWN: Final = 100_000
"""Answers that are kept; all clients together have some thousand different requests."""
_CHUNK: Final = 65_536
_INITIATE_RESPONSE: Final = bytes.fromhex("0800065f1f040000321d04000007")
_UA_INFO: Final = bytes.fromhex("8180140502008006020080070400000001080400000001")
_LLC: Final = b"\xe6\xe7\x00"
_HELD: Final = {
    (3, register.obis, attribute): octets
    for register in REGISTERS
    for attribute, octets in ((2, register.data), (3, register.scaler_unit))
}
_CHALLENGE: Final = b"sixteen octets.."
_CONTROL: Final = 0x30
"""Security control: suite 0, authenticated and encrypted."""
_TAG: Final = 12
_GENERAL: Final = 0xDB
"""general-glo-ciphering: the way of dlms-cosem; answered alike."""
_GENERAL_HEAD: Final = 9
"""Its octets before the length; the client's system title, which the AARQ told already, is passed over."""


def _tlv(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def aare(context: int, diagnostic: int, more: bytes, user: bytes) -> bytes:
    """Return an AARE that accepts: application context, diagnostic of the user, fields behind it, user-information."""
    content = _tlv(0xA1, _tlv(6, bytes.fromhex("608574050801") + bytes((context,))))
    content += bytes.fromhex("a203020100") + _tlv(0xA3, _tlv(0xA1, bytes((2, 1, diagnostic))))
    return _tlv(0x61, content + more + _tlv(0xBE, _tlv(4, user)))


def plain_answer(apdu: bytes) -> bytes:
    """Return the answer to an AARQ without authentication, a get-request, or an RLRQ."""
    if apdu[0] == 0x60:
        return aare(1, 0, b"", _INITIATE_RESPONSE)
    if apdu[0] == 0x62:
        return bytes.fromhex("6303800100")
    kind, invoke = apdu[1], apdu[2]
    if kind == 1:
        return bytes((0xC4, 1, invoke)) + _result(apdu[3:12])
    count = apdu[3]
    results = b"".join(_result(apdu[4 + 10 * place : 13 + 10 * place]) for place in range(count))
    return bytes((0xC4, 3, invoke, count)) + results


def _result(descriptor: bytes) -> bytes:
    return b"\0" + _HELD[int.from_bytes(descriptor[:2], "big"), descriptor[2:8], descriptor[8]]


class Stateless:
    """Answers that depend on the request alone, worked out once."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._known: dict[bytes, bytes] = {}

    def __call__(self, request: bytes) -> bytes:
        known = self._known.get(request)
        if known is None:
            known = self._answer(request)
            if len(self._known) < MAX_KNOWN:
                self._known[request] = known
        return known


def hdlc_answer(octets: bytes) -> bytes:
    """Return the frame that answers a frame: UA to SNRM and DISC, an I frame with its numbers to an I frame."""
    (frame,) = frames.FrameReader(3600).feed(octets, 0.0)
    control, info = frames.UA | frames.POLL, b""
    if frame.kind is frames.Kind.INFORMATION:
        ns, nr = frame.control >> 1 & 7, frame.control >> 5
        control, info = (ns + 1 & 7) << 5 | frames.POLL | nr << 1, _LLC + plain_answer(frame.info[3:])
    elif frame.kind is frames.Kind.SNRM:
        info = _UA_INFO
    return frames.encode(frames.Frame(frame.source, frame.destination, control, info))


def wrapper_answer(octets: bytes) -> bytes:
    """Return the message that answers a message."""
    return wrapped(octets, plain_answer(octets[8:]))


def wrapped(request: bytes, answer: bytes) -> bytes:
    """Return an answer behind the header that answers a request's."""
    return b"\0\1" + request[4:6] + request[2:4] + len(answer).to_bytes(2, "big") + answer


class Ciphered:
    """One ciphered association: HLS with GMAC, services in glo-ciphering, authenticated and encrypted."""

    def __init__(self) -> None:
        self._gcm = AESGCM(ENCRYPTION_KEY)
        self._counter = 0
        self._client_title = b""
        self._client_challenge = b""

    def __call__(self, request: bytes) -> bytes:
        return wrapped(request, self._answer(request[8:]))

    def _answer(self, apdu: bytes) -> bytes:
        if apdu[0] == 0x60:
            return self._associated(apdu)
        if apdu[0] == 0x62:
            return bytes.fromhex("6303800100")
        general = apdu[0] == _GENERAL
        plain = self._opened(apdu[_GENERAL_HEAD:] if general else apdu)
        if plain[0] == 0xC3:
            answer, tag = bytes((0xC7, 1, plain[2], 0, 1, 0, 9, 17)) + self._gmac(), 0xCF
        else:
            answer, tag = plain_answer(plain), 0xCC
        return _tlv(_GENERAL, METER_TITLE) + self._sealed(0, answer)[1:] if general else self._sealed(tag, answer)

    def _associated(self, apdu: bytes) -> bytes:
        fields = _fields(apdu[2:])
        self._client_title = fields[0xA6][2:]
        self._client_challenge = fields[0xAC][2:]
        more = _tlv(0xA4, _tlv(4, METER_TITLE)) + bytes.fromhex("88020780") + bytes.fromhex("890760857405080205")
        return aare(3, 14, more + _tlv(0xAA, _tlv(0x80, _CHALLENGE)), self._sealed(0x28, _INITIATE_RESPONSE))

    def _nonce(self) -> bytes:
        self._counter += 1
        return METER_TITLE + self._counter.to_bytes(4, "big")

    def _sealed(self, tag: int, plain: bytes) -> bytes:
        nonce = self._nonce()
        sealed = self._gcm.encrypt(nonce, plain, bytes((_CONTROL,)) + AUTHENTICATION_KEY)[: _TAG - 16]
        return _tlv(tag, bytes((_CONTROL,)) + nonce[8:] + sealed)

    def _opened(self, apdu: bytes) -> bytes:
        """Return what a ciphered request holds; its tag of 12 octets is not checked, which AESGCM cannot."""
        body = apdu[2:] if apdu[1] < 0x80 else apdu[3:]
        # Sealing is its own inverse for the stream: the keystream depends on key and nonce alone.
        opened = self._gcm.encrypt(self._client_title + body[1:5], body[5:-_TAG], b"")
        return opened[:-16]

    def _gmac(self) -> bytes:
        nonce = self._nonce()
        control = b"\x10"
        tag = self._gcm.encrypt(nonce, b"", control + AUTHENTICATION_KEY + self._client_challenge)
        return control + nonce[8:] + tag[:_TAG]


def _fields(octets: bytes) -> dict[int, bytes]:
    """Return the fields of an AARQ by their tags."""
    found = {}
    while octets:
        found[octets[0]] = octets[2 : 2 + octets[1]]
        octets = octets[2 + octets[1] :]
    return found


class Server:
    """The three listening sockets and their connections, in one loop."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.answered = 0
        hdlc, wrapper = Stateless(hdlc_answer), Stateless(wrapper_answer)
        makers: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
            "hdlc": lambda: hdlc,
            "wrapper": lambda: wrapper,
            "ciphered": Ciphered,
        }
        self.ports = {name: self._listen(maker) for name, maker in makers.items()}
        self._open = True
        self._selector.register(sys.stdin, selectors.EVENT_READ, self._tell)

    def run(self) -> None:
        """Serve until standard input ends."""
        while self._open:
            for key, _ in self._selector.select():
                key.data()

    def _listen(self, maker: Callable[[], Callable[[bytes], bytes]]) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener, maker()))
        port: int = listener.getsockname()[1]
        return port

    def _accept(self, listener: socket.socket, answer: Callable[[bytes], bytes]) -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._serve(connection, answer))

    def _serve(self, connection: socket.socket, answer: Callable[[bytes], bytes]) -> None:
        request = connection.recv(_CHUNK)
        if request:
            connection.send(answer(request))
            self.answered += 1
        else:
            self._selector.unregister(connection)
            connection.close()

    def _tell(self) -> None:
        self._open = bool(sys.stdin.readline())
        sys.stdout.write(f"{self.answered}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    server = Server()
    sys.stdout.write(json.dumps(server.ports) + "\n")
    sys.stdout.flush()
    server.run()
