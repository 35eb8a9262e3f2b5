"""A gurux-dlms client at work: its requests over a blocking socket to a simulated meter, and its answers.

In: a client that knows addresses, password and keys, and the port of a meter. Out: values as gurux-dlms decodes them.
"""

import socket
from collections.abc import Iterable

from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType
from gurux_dlms.objects import GXDLMSRegister

from poller.simulator import Fleet

TIMEOUT_S = 5.0  # gurux-dlms computes AES in pure Python
RECEIVED = 65_536


def address(fleet: Fleet, name: str, client: type[GXDLMSClient] = GXDLMSClient) -> tuple[int, InterfaceType]:
    """Return the server's address and the interface that a client of this meter needs."""
    kind = fleet.meters[name].device.kind
    if kind.transport.value != "hdlc":
        return 1, InterfaceType.WRAPPER
    plain = kind.preferred_size == 1
    return 1 if plain else client.getServerAddress(1, kind.physical, 4), InterfaceType.HDLC


class GuruxSession:
    """A context manager: link and association, HLS included; release (where ``releases``) and DISC at its end."""

    def __init__(self, client: GXDLMSClient, port: int, *, releases: bool = True) -> None:
        self.client = client
        self._releases = releases
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)

    def __enter__(self) -> "GuruxSession":
        if self.client.interfaceType == InterfaceType.HDLC:
            self.client.parseUAResponse(self.ask([self.client.snrmRequest()]).data)
        self.client.parseAareResponse(self.ask(self.client.aarqRequest()).data)
        if self.client.authentication > Authentication.LOW:
            answer = self.ask(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(answer.data)
        return self

    def __exit__(self, *_: object) -> None:
        if self._releases:
            self.ask(self.client.releaseRequest() or [])
        self.ask([self.client.disconnectRequest()])
        self._socket.close()

    def ask(self, requests: Iterable[bytes]) -> GXReplyData:
        """Return the answer to the last of several requests."""
        reply = GXReplyData()
        for request in filter(None, requests):
            reply = GXReplyData()
            self._exchange(request, reply)
            while reply.isMoreData():
                self._exchange(self.client.receiverReady(reply), reply)
        return reply

    def _exchange(self, request: bytes, reply: GXReplyData) -> None:
        self._socket.sendall(bytes(request))
        received = GXByteBuffer()
        received.set(self._socket.recv(RECEIVED))
        while not self.client.getData(received, reply, None):
            received.set(self._socket.recv(RECEIVED))

    def value(self, thing: object, attribute: int) -> object:
        """Return an attribute's value."""
        return self.client.updateValue(thing, attribute, self.ask(self.client.read(thing, attribute)).value)

    def values(self, *obis: str) -> list[object]:
        """Return the values of registers, read as lists."""
        found: list[object] = []
        for (request,) in self.client.readList([(GXDLMSRegister(each), 2) for each in obis]):
            found += self.ask([request]).value
        return found

    def objects(self, *, all_classes: bool = True) -> list[object]:
        """Return the objects of the association."""
        reply = self.ask([self.client.getObjectsRequest()])
        return list(self.client.parseObjects(reply.data, all_classes))
