"""What a profile refuses, what it proposes, what it needs."""

from collections.abc import Callable

import pytest

from common.errors import BridgeError
from poller.dlms.association import Mechanism
from poller.dlms.errors import BadAddress, BadParameter
from poller.dlms.profile import Profile, Referencing, Transport
from poller.dlms.security import Security, SecuritySettings
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, Conformance

KEYS = SecuritySettings(client_title=b"ABC00001", encryption_key=bytes(16), authentication_key=bytes(16))
PROTECTED = SecuritySettings(Security.BOTH, 0, b"ABC00001", bytes(16), bytes(16), general=True)


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: Profile(Transport.HDLC, 0, 1), BadAddress, "client"),
        (lambda: Profile(Transport.HDLC, 128, 1), BadAddress, "client"),
        (lambda: Profile(Transport.HDLC, 16, 1, address_size=2), BadAddress, "physical"),
        (lambda: Profile(Transport.HDLC, 16, 1, address_size=3), BadAddress, "1, 2 or 4"),
        (lambda: Profile(Transport.HDLC, 16, 1, max_info=64), BadParameter, "information length"),
        (lambda: Profile(Transport.HDLC, 16, 1, window=8), BadParameter, "window"),
        (lambda: Profile(Transport.WRAPPER, 0, 1), BadAddress, "wPort"),
        (lambda: Profile(Transport.WRAPPER, 16, 65536), BadAddress, "wPort"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, max_pdu=11), BadParameter, "PDU"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, max_pdu=65536), BadParameter, "PDU"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, conformance=1 << 24), BadParameter, "24 bits"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, block_window=64), BadParameter, "1 to 63"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, block_window=0), BadParameter, "1 to 63"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.LLS), BadParameter, "low-level"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.HLS_SHA256), BadParameter, "high-level"),
        (lambda: Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.HLS_GMAC), BadParameter, "GMAC"),
    ],
)
def test_a_profile_is_checked_when_made(make: Callable[[], Profile], error: type[BridgeError], named: str) -> None:
    with pytest.raises(error, match=named):
        make()


def test_a_profile_does_not_print_its_secret() -> None:
    profile = Profile(Transport.HDLC, 1, 1, mechanism=Mechanism.LLS, secret=b"22222222")
    assert "2222" not in repr(profile)


def test_what_is_proposed() -> None:
    assert Profile(Transport.WRAPPER, 16, 1).proposed == DEFAULT_CONFORMANCE
    blocks = Profile(Transport.WRAPPER, 16, 1, general_blocks=True, security=PROTECTED)
    more = Conformance.GENERAL_BLOCK_TRANSFER | Conformance.GENERAL_PROTECTION
    assert blocks.proposed == DEFAULT_CONFORMANCE | more
    short = Profile(Transport.WRAPPER, 16, 1, referencing=Referencing.SN).proposed
    assert short & Conformance.READ
    assert short & Conformance.WRITE
    assert short & Conformance.BLOCK_TRANSFER_WITH_GET
    assert not short & (Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS)


def test_a_source_is_needed_where_something_is_counted_or_drawn() -> None:
    assert not Profile(Transport.WRAPPER, 16, 1).needs_source
    assert not Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.LLS, secret=b"1").needs_source
    assert Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.HLS_MD5, secret=b"1").needs_source
    assert Profile(Transport.WRAPPER, 16, 1, mechanism=Mechanism.HLS_GMAC, security=KEYS).needs_source
    assert Profile(Transport.WRAPPER, 16, 1, security=PROTECTED).needs_source
