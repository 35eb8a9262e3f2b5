"""Typed objects against pydlms-client's meter over real sockets, HDLC and WRAPPER; and that meter with odd habits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydlms import DlmsData, ObisCode
from pydlms import simulator as peer
from pydlms.cosem.enums import DataAccessResult
from pydlms.cosem.interface_classes import ClassId
from pydlms.cosem.time import CosemDateTime

from common.obis import Obis
from poller.dlms.conversation import Conversation
from poller.dlms.data import DateTime
from poller.dlms.errors import AccessDenied, BadData, OtherReason
from poller.dlms.exchange import Exchange
from poller.dlms.objects.access_rights import Rights
from poller.dlms.objects.association_ln import read_object_list
from poller.dlms.objects.clock import read_clock
from poller.dlms.objects.clock_setting import CorrectionLimits, Step, synchronise
from poller.dlms.objects.disconnect import read_disconnect_control, remote_disconnect
from poller.dlms.objects.image import ImageStatus, activate_image, read_image_transfer, transfer_image, verify_image
from poller.dlms.objects.profile_habits import UNKNOWN_HABITS, Access, ProfileRead
from poller.dlms.objects.profile_layout import read_layout
from poller.dlms.objects.profile_reading import read_last, read_profile
from poller.dlms.objects.register import read_register
from poller.dlms.objects.registry import read_object
from poller.dlms.profile import Profile, Transport
from tests.support.dlms_drive import SocketDriver, T

LOAD_PROFILE, DISCONNECT = Obis(1, 0, 99, 1, 0), Obis(0, 0, 96, 3, 10)
START = datetime(2024, 5, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
TRANSPORTS = pytest.mark.parametrize("transport", Transport)


@dataclass
class Client:
    """A conversation on its socket."""

    driver: SocketDriver
    conversation: Conversation

    def run(self, ask: Callable[[Conversation], Exchange[T]]) -> T:
        return self.driver.run(ask(self.conversation))


@contextmanager
def talking(meter: peer.MeterSimulator, transport: Transport) -> Iterator[Client]:
    """Serve a meter, and be associated with it."""
    server = peer.serve(meter, hdlc=transport is Transport.HDLC)
    conversation = Conversation(Profile(transport, 16, 1))
    try:
        with SocketDriver("127.0.0.1", server.server_address[1]) as driver:
            driver.run(conversation.open())
            yield Client(driver, conversation)
            driver.run(conversation.close())
    finally:
        server.shutdown()
        server.server_close()


@TRANSPORTS
def test_a_load_profile_is_read_by_range(transport: Transport) -> None:
    low, high = START + timedelta(hours=6), START + timedelta(hours=12)
    with talking(peer.example_meter(), transport) as client:
        found = client.run(lambda meter: read_profile(meter, LOAD_PROFILE, low, high))
        layout = client.run(lambda meter: read_layout(meter, LOAD_PROFILE))
        newest = client.run(lambda meter: read_last(meter, layout, 3))
    assert [row.time for row in found.rows] == [low + QUARTER * number for number in range(25)]
    assert [row.values[1] for row in found.rows] == [Decimal(1000 + 7 * number) for number in range(24, 49)]
    assert [column.unit for column in found.columns] == [None, "Wh"]
    assert (found.habits.access, found.habits.proven, found.skipped) == (Access.RANGE, True, ())
    assert [row.raw[1] for row in newest.rows] == [1000 + 7 * number for number in (93, 94, 95)]


class OddMeter(peer.MeterSimulator):
    """The example meter; ``odd`` names what it does with selective access."""

    odd = ""

    def _read(self, cid: int, obis: ObisCode, attr: int, access: Any = None) -> DlmsData | DataAccessResult:
        if cid != ClassId.PROFILE_GENERIC or attr != 2 or access is None:
            return super()._read(cid, obis, attr, access)
        rows = self.objects[cid, obis][2].value
        if access.selector == 2:
            refused = "no entry" in self.odd
            return DataAccessResult.TYPE_UNMATCHED if refused else super()._read(cid, obis, attr, access)
        if "last row" in self.odd:
            return DlmsData.array(rows[-1:])
        if "everything" in self.odd:
            return DlmsData.array(rows)
        if "no range" in self.odd:
            return DataAccessResult.OTHER_REASON
        if "second" in self.odd:
            return self._ranged_by_second(rows, access)
        return super()._read(cid, obis, attr, access)

    @staticmethod
    def _ranged_by_second(rows: list[DlmsData], access: Any) -> DlmsData:
        low, high = (moment(side) for side in access.parameters.value[1:3])
        return DlmsData.array([row for row in rows if low <= moment(row.value[1]) <= high])


def moment(data: DlmsData) -> datetime:
    return CosemDateTime.from_bytes(data.value).to_datetime()


def odd_meter(odd: str) -> OddMeter:
    meter = OddMeter()
    vars(meter).update(vars(peer.example_meter()))
    meter.odd = odd
    profile = next(attributes for (cid, _), attributes in meter.objects.items() if cid == ClassId.PROFILE_GENERIC)
    profile[7] = DlmsData.uint32(len(profile[2].value))
    if "second" in odd:
        profile[2] = DlmsData.array([DlmsData.structure(row.value[::-1]) for row in profile[2].value])
        profile[3] = DlmsData.array(profile[3].value[::-1])
        profile[6] = profile[3].value[1]
    if "newest first" in odd:
        profile[2] = DlmsData.array(profile[2].value[::-1])
        profile[5] = DlmsData.enum(2)
    return meter


@TRANSPORTS
@pytest.mark.parametrize(
    ("odd", "access"),
    [
        ("last row", Access.ENTRY),
        ("everything", Access.ENTRY),
        ("no range", Access.ENTRY),
        ("no range, newest first", Access.ENTRY),
        ("no range, no entry", Access.WHOLE),
        ("last row, no entry", Access.WHOLE),
        ("no entry", Access.RANGE),
        ("second", Access.RANGE),
        ("second, no range", Access.ENTRY),
    ],
)
def test_an_odd_meter_gives_the_same_rows(odd: str, access: Access, transport: Transport) -> None:
    low, high = START + timedelta(hours=6), START + timedelta(hours=12)
    reads: list[ProfileRead] = []
    habits = UNKNOWN_HABITS
    with talking(odd_meter(odd), transport) as client:
        for _ in range(2):
            found = client.run(lambda meter: read_profile(meter, LOAD_PROFILE, low, high, habits))  # noqa: B023
            habits = found.habits
            reads.append(found)
    for found in reads:
        assert [row.time for row in found.rows] == [low + QUARTER * number for number in range(25)]
        assert found.habits.access is access


@TRANSPORTS
def test_the_object_list_has_rights(transport: Transport) -> None:
    meter = peer.example_meter()
    meter.association_version = 1
    with talking(meter, transport) as client:
        objects = client.run(read_object_list)
        energy = next(each for each in objects if each.obis == Obis(1, 0, 1, 8, 0))
        typed = [client.run(lambda asked: read_object(asked, each.class_id, each.obis)) for each in objects]  # noqa: B023
    assert (energy.class_id, energy.access.of_attribute(2)) == (3, Rights.READ | Rights.WRITE)
    assert {each.class_id for each in objects} >= {1, 3, 7, 8, 15, 70}
    assert sum(found is not None for found in typed) >= 8


AUTHENTICATED = Rights.AUTHENTICATED_REQUEST


@pytest.mark.parametrize(
    ("version", "attribute", "method", "expected"),
    [
        (0, 1, 1, (Rights.READ, Rights.INVOKE)),
        (1, 6, 2, (Rights.READ | Rights.WRITE | AUTHENTICATED, Rights.INVOKE | AUTHENTICATED)),
        (2, 4, 0, (Rights.READ | AUTHENTICATED, Rights.NONE)),
        (3, 0x2D, 0x05, (Rights(0x2D), Rights.INVOKE | AUTHENTICATED)),
    ],
)
def test_rights_of_every_version(version: int, attribute: int, method: int, expected: tuple[Rights, Rights]) -> None:
    meter = peer.example_meter()
    meter.association_version = version
    meter.set_access(3, "1.0.1.8.0.255", 2, attribute)
    meter.set_access(3, "1.0.1.8.0.255", method=1, mode=method)
    with talking(meter, Transport.WRAPPER) as client:
        objects = client.run(read_object_list)
    energy = next(each for each in objects if each.obis == Obis(1, 0, 1, 8, 0))
    assert (energy.access.of_attribute(2), energy.access.of_method(1)) == expected


@TRANSPORTS
def test_registers_and_the_disconnector(transport: Transport) -> None:
    with talking(peer.example_meter(), transport) as client:
        voltage = client.run(lambda meter: read_register(meter, Obis(1, 0, 32, 7, 0))).measured
        before = client.run(lambda meter: read_disconnect_control(meter, DISCONNECT))
        client.run(lambda meter: remote_disconnect(meter, DISCONNECT))
        after = client.run(lambda meter: read_disconnect_control(meter, DISCONNECT))
    assert (voltage.value, voltage.unit) == (Decimal("230.1"), "V")
    assert (before.output, after.output) == (True, False)


@TRANSPORTS
def test_the_clock_is_set_and_read_back(transport: Transport) -> None:
    ours = datetime(2024, 5, 1, 10, 20, 0, tzinfo=UTC)
    with talking(peer.example_meter(), transport) as client:
        clock = client.run(read_clock)
        refused = client.run(lambda meter: synchronise(meter, lambda: ours + timedelta(days=1)))
        done = client.run(lambda meter: synchronise(meter, lambda: ours))
        again = client.run(lambda meter: synchronise(meter, lambda: ours, CorrectionLimits()))
    assert clock.moment == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert (refused.step, refused.verified) == (Step.REFUSED, False)
    assert (done.before, done.step, done.after, done.verified) == (timedelta(minutes=20), Step.SET, timedelta(), True)
    assert again.step is Step.NONE


@TRANSPORTS
def test_an_image_goes_over_is_resumed_verified_and_activated(transport: Transport) -> None:
    image = bytes(number % 251 for number in range(64 * 20 + 5))
    meter = peer.example_meter()
    target = peer.ImageTransferTarget(drop_blocks={3: 1, 20: 2}, verify_steps=3, activate_steps=2).install(meter)
    with talking(meter, transport) as client:
        sent = client.run(lambda asked: transfer_image(asked, b"new", image))
        assert target.image() == image
        assert (sent.blocks, sent.sent, sent.resumed) == (21, 24, 0)
        del target.blocks[7], target.blocks[8]
        resumed = client.run(lambda asked: transfer_image(asked, b"new", image, resume=True))
        assert (resumed.sent, resumed.resumed, target.image()) == (2, 19, image)
        assert client.run(verify_image) is ImageStatus.VERIFIED
        state = client.run(read_image_transfer)
        assert state.images is not None
        assert (state.images[0].size, state.images[0].identifier) == (len(image), b"new")
        assert client.run(activate_image) is ImageStatus.ACTIVATED


def test_a_failed_verification_and_a_lost_block_are_told() -> None:
    meter = peer.example_meter()
    peer.ImageTransferTarget(drop_blocks={1: 99}, fail_verify=True).install(meter)
    with talking(meter, Transport.WRAPPER) as client:
        with pytest.raises(OtherReason, match="1 of 2 blocks"):
            client.run(lambda asked: transfer_image(asked, b"new", bytes(100)))
        client.run(lambda asked: transfer_image(asked, b"other", bytes(60)))
        assert client.run(verify_image) is ImageStatus.VERIFICATION_FAILED


def test_a_refusal_names_object_and_attribute() -> None:
    meter = peer.example_meter()
    meter.set_access(3, "1.0.1.8.0.255", 2, 2)
    with (
        talking(meter, Transport.WRAPPER) as client,
        pytest.raises(AccessDenied, match=r"1-0:1\.8\.0 \(class 3\) attribute 2"),
    ):
        client.run(lambda asked: read_register(asked, Obis(1, 0, 1, 8, 0)))


def test_a_time_that_is_none_is_bad_data_of_the_clock() -> None:
    meter = peer.example_meter()
    key = next(key for key in meter.objects if key[0] == ClassId.CLOCK)
    meter.objects[key][2] = DlmsData.octet_string(b"\1\2")
    with talking(meter, Transport.WRAPPER) as client, pytest.raises(BadData, match=r"\(class 8\) attribute 2"):
        client.run(read_clock)
    assert DateTime.from_datetime(START).to_datetime() == START
