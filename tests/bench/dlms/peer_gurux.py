"""gurux-dlms 1.0.203 as its example drives it: one socket, requests from the client, replies into GXReplyData.

Requests are made anew each time, for their numbers change; the register objects are kept. Its AES is in Python.
"""

import socket
from collections.abc import Sequence
from typing import Final, cast

from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

from tests.bench.dlms.facts import (
    AUTHENTICATION_KEY,
    CLIENT_SAP,
    CLIENT_TITLE,
    ENCRYPTION_KEY,
    REGISTERS,
    SERVER_SAP,
    Mode,
)

_CHUNK: Final = 65_536


def connect(mode: Mode, port: int) -> "Gurux":
    """Connect and associate."""
    return Gurux(mode, port)


class Gurux:
    """A client, its socket, and ten register objects."""

    def __init__(self, mode: Mode, port: int) -> None:
        self._mode = mode
        self._client = _client(mode)
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._registers = [GXDLMSRegister(register.name) for register in REGISTERS]
        if mode.port == "hdlc":
            self._client.parseUAResponse(self._ask(self._client.snrmRequest()).data)
        for request in self._client.aarqRequest():
            self._client.parseAareResponse(self._ask(request).data)
        if mode is Mode.CIPHERED_VALUE:
            for request in self._client.getApplicationAssociationRequest():
                self._client.parseApplicationAssociationResponse(self._ask(request).data)

    def cycle(self) -> Sequence[object]:
        """Read the ten registers."""
        if self._mode.by_list:
            wanted = [(register, 2) for register in self._registers]
            (request,) = (part for parts in self._client.readList(wanted) for part in _parts(parts))
            return cast("list[object]", self._ask(request).value)
        if self._mode is Mode.HDLC_DOUBLE:
            return [(self._read(register, 3), self._read(register, 2))[1] for register in self._registers]
        return [self._read(register, 2) for register in self._registers]

    def values(self, read: object) -> list[int]:
        """Return the values."""
        return cast("list[int]", read)

    def _read(self, register: GXDLMSRegister, attribute: int) -> object:
        request = self._client.read(register, attribute)[0]
        return self._client.updateValue(register, attribute, self._ask(request).value)

    def _ask(self, request: object) -> GXReplyData:
        reply = GXReplyData()
        self._socket.sendall(cast("bytes", request))
        received = GXByteBuffer()
        received.set(self._socket.recv(_CHUNK))
        while not self._client.getData(received, reply, None):
            received.set(self._socket.recv(_CHUNK))
        return reply


def _parts(parts: object) -> list[object]:
    return parts if isinstance(parts, list) else [parts]


def _client(mode: Mode) -> GXDLMSClient:
    interface = InterfaceType.HDLC if mode.port == "hdlc" else InterfaceType.WRAPPER
    if mode is not Mode.CIPHERED_VALUE:
        return GXDLMSClient(True, CLIENT_SAP, SERVER_SAP, Authentication.NONE, None, interface)
    client = GXDLMSSecureClient(True, CLIENT_SAP, SERVER_SAP, Authentication.HIGH_GMAC, None, interface)
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.systemTitle = CLIENT_TITLE
    client.ciphering.blockCipherKey = ENCRYPTION_KEY
    client.ciphering.authenticationKey = AUTHENTICATION_KEY
    return client
