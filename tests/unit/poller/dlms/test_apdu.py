"""Any APDU by its tag."""

import pytest

from poller.dlms.apdu import decode_apdu
from poller.dlms.errors import UnexpectedReply

KNOWN = {0x01, 0x08, 0x0E, 0x60, 0x61, 0x62, 0x63, 0xC0, 0xC4, 0xD8}


def test_every_first_octet_is_known_or_refused_by_name() -> None:
    for tag in range(256):
        with pytest.raises(UnexpectedReply) as refusal:
            decode_apdu(bytes((tag,)))
        assert ("unknown tag" in refusal.value.detail) == (tag not in KNOWN)


def test_nothing_is_no_apdu() -> None:
    with pytest.raises(UnexpectedReply, match="empty"):
        decode_apdu(b"")
