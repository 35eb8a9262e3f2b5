"""Our protocol core over a plain blocking socket."""

import os
import socket
from collections.abc import Sequence
from typing import Final, TypeVar

from common.obis import Obis
from poller.dlms.conversation import AttributeRef, Conversation, Exchange, Mechanism, Profile, Transport
from poller.dlms.data import Data
from poller.dlms.security import Security, SecuritySettings
from tests.bench.dlms.facts import (
    AUTHENTICATION_KEY,
    CLIENT_SAP,
    CLIENT_TITLE,
    ENCRYPTION_KEY,
    REGISTERS,
    SERVER_SAP,
    Mode,
)
from tests.bench.dlms.reader import Unable

_T = TypeVar("_T")
_CHUNK: Final = 65_536
REFS: Final = [AttributeRef(3, Obis.parse(register.name), 2) for register in REGISTERS]


def profile(mode: Mode) -> Profile:
    """Return the profile for a mode."""
    if mode is Mode.HDLC_DOUBLE:
        raise Unable("scalers are read once and kept")
    if mode is Mode.CIPHERED_VALUE:
        security = SecuritySettings(
            Security.BOTH,
            client_title=CLIENT_TITLE,
            encryption_key=ENCRYPTION_KEY,
            authentication_key=AUTHENTICATION_KEY,
        )
        return Profile(Transport.WRAPPER, CLIENT_SAP, SERVER_SAP, mechanism=Mechanism.HLS_GMAC, security=security)
    transport = Transport.HDLC if mode.port == "hdlc" else Transport.WRAPPER
    return Profile(transport, CLIENT_SAP, SERVER_SAP)


class Source:
    """Counters and randomness; the worker's counters are on disk, where a thousand are reserved at a time."""

    def __init__(self) -> None:
        self._counter = 0

    def entropy(self, octets: int) -> bytes:
        """Return random octets."""
        return os.urandom(octets)

    def take(self) -> int:
        """Return the next counter."""
        self._counter += 1
        return self._counter

    def raise_to(self, counter: int) -> None:
        """Skip counters."""
        self._counter = max(self._counter, counter - 1)


def connect(mode: Mode, port: int) -> "Ours":
    """Connect and associate."""
    return Ours(mode, port)


class Ours:
    """A conversation and its socket."""

    def __init__(self, mode: Mode, port: int) -> None:
        self._by_list = mode.by_list
        self._conversation = Conversation(profile(mode), Source())
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._run(self._conversation.open())

    def cycle(self) -> Sequence[object]:
        """Read the ten registers."""
        if self._by_list:
            return self._run(self._conversation.get_many(REFS))
        run, get = self._run, self._conversation.get
        return [run(get(ref)) for ref in REFS]

    def values(self, read: object) -> list[int]:
        """Return the values."""
        return values(read)

    def _run(self, exchange: Exchange[_T]) -> _T:
        sendall, recv, go_on = self._socket.sendall, self._socket.recv, exchange.send
        try:
            out = next(exchange)
            while True:
                if out:
                    sendall(out)
                out = go_on(recv(_CHUNK))
        except StopIteration as end:
            result: _T = end.value
            return result


def values(read: object) -> list[int]:
    """Return the integers of a list of Data."""
    assert isinstance(read, list)
    return [each.value for each in read if isinstance(each, Data) and isinstance(each.value, int)]
