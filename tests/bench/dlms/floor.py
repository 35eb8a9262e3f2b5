"""The floor: a plain Python socket that exchanges the prebuilt octets and decodes nothing.

No Python client can do less: one ``sendall``, and ``recv`` until as many octets as the answer has are there. What came
is compared with the meter's answer afterwards.
"""

import socket
from itertools import cycle, islice
from typing import Final

from poller.simulator import frames
from tests.bench.dlms import meter
from tests.bench.dlms.facts import CLIENT_SAP, REGISTERS, SERVER_SAP, VALUES, Mode
from tests.bench.dlms.reader import Unable

_CHUNK: Final = 65_536
_NUMBERS: Final = 8
"""Cycles after which N(S) and N(R) of the requests repeat: ten exchanges each, modulo 8, within 40."""


def connect(mode: Mode, port: int) -> "Floor":
    """Connect; there is no association, the meter does not ask for one."""
    if mode in {Mode.HDLC_DOUBLE, Mode.CIPHERED_VALUE}:
        raise Unable("compared with value by value of the same transport")
    return Floor(mode, port)


class Floor:
    """Requests and how many octets answer each."""

    def __init__(self, mode: Mode, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        requests = _listed() if mode.by_list else _single()
        exchanges = len(requests)
        carried = list(islice(cycle(requests), exchanges * _NUMBERS))
        carry, answer = (_framed, meter.hdlc_answer) if mode.port == "hdlc" else (_wrapped, meter.wrapper_answer)
        octets = [carry(apdu, number) for number, apdu in enumerate(carried)]
        turns = [(request, answer(request)) for request in octets]
        cycles = [turns[at : at + exchanges] for at in range(0, len(turns), exchanges)]
        self._turns = cycle([[(request, len(reply)) for request, reply in each] for each in cycles])
        self._right = [b"".join(reply for _, reply in each) for each in cycles]

    def cycle(self) -> list[bytes]:
        """Exchange the octets of one cycle."""
        sendall, recv = self._socket.sendall, self._socket.recv
        read = []
        for request, size in next(self._turns):
            sendall(request)
            received = recv(_CHUNK)
            while len(received) < size:
                received += recv(_CHUNK)
            read.append(received)
        return read

    def values(self, read: object) -> list[int]:
        """Return the values, when the octets are the right ones."""
        return VALUES if isinstance(read, list) and b"".join(read) in self._right else []


def _single() -> list[bytes]:
    return [b"\xc0\x01\xc1\x00\x03" + register.obis + b"\x02\x00" for register in REGISTERS]


def _listed() -> list[bytes]:
    items = b"".join(b"\x00\x03" + register.obis + b"\x02\x00" for register in REGISTERS)
    return [b"\xc0\x03\xc1" + bytes((len(REGISTERS),)) + items]


def _framed(apdu: bytes, number: int) -> bytes:
    control = number % 8 << 5 | frames.POLL | number % 8 << 1
    server, client = bytes((SERVER_SAP << 1 | 1,)), bytes((CLIENT_SAP << 1 | 1,))
    return frames.encode(frames.Frame(server, client, control, b"\xe6\xe6\x00" + apdu))


def _wrapped(apdu: bytes, _number: int) -> bytes:
    header = (1, CLIENT_SAP, SERVER_SAP, len(apdu))
    return b"".join(field.to_bytes(2, "big") for field in header) + apdu
