"""dlms-cosem 25.1.0 through its client; its log is off, which is when it is fastest."""

import logging
from collections.abc import Sequence

import structlog
from dlms_cosem import cosem, enumerations
from dlms_cosem.client import DlmsClient
from dlms_cosem.io import BlockingTcpIO, HdlcTransport, TcpTransport
from dlms_cosem.security import HighLevelSecurityGmacAuthentication, NoSecurityAuthentication
from dlms_cosem.utils import parse_as_dlms_data

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

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def connect(mode: Mode, port: int) -> "DlmsCosem":
    """Connect and associate."""
    if mode is Mode.HDLC_DOUBLE:
        raise Unable("shown for gurux-dlms, whose example reads so")
    return DlmsCosem(mode, port)


class DlmsCosem:
    """A client and the ten attributes."""

    def __init__(self, mode: Mode, port: int) -> None:
        self._by_list = mode.by_list
        self._client = _client(mode, port)
        self._client.connect()
        self._client.associate()
        self._attributes = [
            cosem.CosemAttribute(enumerations.CosemInterface.REGISTER, cosem.Obis(*register.obis), 2)
            for register in REGISTERS
        ]
        self._selected = [cosem.CosemAttributeWithSelection(each, None) for each in self._attributes]

    def cycle(self) -> Sequence[object]:
        """Read the ten registers."""
        if self._by_list:
            return [result.value for result in self._client.get_many(self._selected).response_data]
        get = self._client.get
        return [parse_as_dlms_data(get(attribute)) for attribute in self._attributes]

    def values(self, read: object) -> list[int]:
        """Return the values."""
        assert isinstance(read, list)
        return [each if isinstance(each, int) else each.value for each in read]


def _client(mode: Mode, port: int) -> DlmsClient:
    io = BlockingTcpIO(host="127.0.0.1", port=port)
    if mode.port == "hdlc":
        transport = HdlcTransport(CLIENT_SAP, SERVER_SAP, io)
    else:
        transport = TcpTransport(CLIENT_SAP, SERVER_SAP, io)
    if mode is not Mode.CIPHERED_VALUE:
        return DlmsClient(transport=transport, authentication=NoSecurityAuthentication())
    return DlmsClient(
        transport=transport,
        authentication=HighLevelSecurityGmacAuthentication(challenge_length=16),
        encryption_key=ENCRYPTION_KEY,
        authentication_key=AUTHENTICATION_KEY,
        client_system_title=CLIENT_TITLE,
        client_initial_invocation_counter=1,
    )
