"""pydlms-client 0.1.0 through its client."""

from collections.abc import Sequence
from typing import Any

from pydlms import DlmsClient, ObisCode
from pydlms.security.context import SecurityContext
from pydlms.security.hls import Mechanism

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


def connect(mode: Mode, port: int) -> "Pydlms":
    """Connect and associate."""
    if mode is Mode.HDLC_DOUBLE:
        raise Unable("shown for gurux-dlms, whose example reads so")
    return Pydlms(mode, port)


class Pydlms:
    """A client and the ten logical names."""

    def __init__(self, mode: Mode, port: int) -> None:
        self._by_list = mode.by_list
        self._names = [ObisCode.parse(register.name) for register in REGISTERS]
        self._items: list[tuple[ObisCode | str, int, int]] = [(name, 3, 2) for name in self._names]
        settings: dict[str, Any] = {}
        if mode is Mode.CIPHERED_VALUE:
            security = SecurityContext(ENCRYPTION_KEY, AUTHENTICATION_KEY, CLIENT_TITLE, invocation_counter=1)
            settings = {"mechanism": Mechanism.HLS_GMAC, "security": security}
        self._client = DlmsClient.tcp(
            "127.0.0.1", port, client_sap=CLIENT_SAP, server_logical=SERVER_SAP, hdlc=mode.port == "hdlc", **settings
        )
        self._client.connect()

    def cycle(self) -> Sequence[object]:
        """Read the ten registers."""
        if self._by_list:
            return list(self._client.get_many(self._items))
        get = self._client.get
        return [get(name, 3, 2) for name in self._names]

    def values(self, read: object) -> list[int]:
        """Return the values."""
        assert isinstance(read, list)
        return [each.value for each in read]
