"""Typed objects of simulated meters over real sockets; their profiles against the rows that the simulator owes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations

import pytest

from common.obis import Obis
from poller.dlms.association import Mechanism
from poller.dlms.conversation import Conversation
from poller.dlms.objects.access_rights import Rights
from poller.dlms.objects.association_ln import AssociationStatus, read_association_ln, read_object_list
from poller.dlms.objects.clock import read_clock
from poller.dlms.objects.clock_setting import CorrectionLimits, Step, synchronise
from poller.dlms.objects.disconnect import read_disconnect_control, remote_disconnect, remote_reconnect
from poller.dlms.objects.limiter import read_limiter
from poller.dlms.objects.profile_habits import UNKNOWN_HABITS, Access
from poller.dlms.objects.profile_reading import read_profile
from poller.dlms.objects.registry import interface_class, read_object
from poller.dlms.profile import Profile, Transport
from poller.simulator import Fleet, MeterSpec, personality
from poller.simulator.personality import ClockSetting, ProfileHabit, ProfileSetting
from poller.simulator.profiles import load_row
from tests.support.dlms_drive import SocketDriver

LOAD, DISCONNECT, LIMITER = Obis(1, 0, 99, 1, 0), Obis(0, 0, 96, 3, 10), Obis(0, 0, 17, 0, 0)
QUARTER = timedelta(minutes=15)
KINDS = ("microstar", "generic-list", "wrapper")
SETS = list(chain.from_iterable(combinations(ProfileHabit, size) for size in range(len(ProfileHabit) + 1)))


def profile_of(kind: str, client: int = 32, secret: bytes = b"11111111") -> Profile:
    found = personality(kind)
    if found.transport.value == "wrapper":
        return Profile(Transport.WRAPPER, client, 1, mechanism=Mechanism.LLS, secret=secret)
    physical = found.physical if found.preferred_size == 4 else None
    return Profile(Transport.HDLC, client, 1, physical, found.preferred_size, mechanism=Mechanism.LLS, secret=secret)


@contextmanager
def talking(fleet: Fleet, name: str, profile: Profile) -> Iterator[tuple[SocketDriver, Conversation]]:
    conversation = Conversation(profile)
    with SocketDriver("127.0.0.1", fleet.meters[name].port) as driver:
        driver.run(conversation.open())
        yield driver, conversation
        driver.run(conversation.close())


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    odd = [
        MeterSpec(f"{kind} {number}", replace(personality(kind), profile=ProfileSetting(900, 400, frozenset(habits))))
        for kind in KINDS
        for number, habits in enumerate(SETS)
    ]
    late = replace(personality("microstar"), clock=ClockSetting(offset=-100.0))
    with Fleet([*odd, MeterSpec("late", late)]) as running:
        yield running


def expected_access(habits: tuple[ProfileHabit, ...]) -> Access:
    if not {ProfileHabit.NO_RANGE, ProfileHabit.RANGE_LAST_ROW} & set(habits):
        return Access.RANGE
    return Access.WHOLE if ProfileHabit.NO_ENTRY in habits else Access.ENTRY


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(len(SETS)))
def test_an_odd_meter_gives_the_rows_that_it_owes(fleet: Fleet, kind: str, number: int) -> None:
    name = f"{kind} {number}"
    index = list(fleet.meters).index(name)
    end = datetime.now(UTC) - timedelta(hours=30)
    start = end - timedelta(hours=10)
    channel = Obis(1, 1 if kind == "microstar" else 0, 99, 1, 0)
    with talking(fleet, name, profile_of(kind)) as (driver, conversation):
        names = {each.obis for each in driver.run(read_object_list(conversation)) if each.class_id == 7}
        obis = channel if channel in names else LOAD
        found = driver.run(read_profile(conversation, obis, start, end, UNKNOWN_HABITS))
        again = driver.run(read_profile(conversation, obis, start, end, found.habits))
    step = QUARTER.total_seconds() * 1000
    first = -(-start.timestamp() * 1000 // step) * step
    rows = [load_row(index, int(first + step * place)) for place in range(40)]
    assert [row.time and row.time.timestamp() * 1000 for row in found.rows] == [row.moment for row in rows]
    numbers = [tuple(cell for cell in row.raw if isinstance(cell, int)) for row in found.rows]
    assert numbers == [tuple(row[1:]) for row in rows]
    assert found.habits.access is expected_access(SETS[number])
    assert [row.values for row in again.rows] == [row.values for row in found.rows]
    assert not [reason for reason in found.skipped if "scaler" in reason]


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_of_the_list_is_read_typed(fleet: Fleet, kind: str) -> None:
    with talking(fleet, f"{kind} 0", profile_of(kind)) as (driver, conversation):
        objects = driver.run(read_object_list(conversation))
        association = driver.run(read_association_ln(conversation))
        typed = {each.obis: driver.run(read_object(conversation, each.class_id, each.obis)) for each in objects}
        limiter = driver.run(read_limiter(conversation, LIMITER))
    assert {each.class_id for each in objects} >= {1, 3, 4, 5, 7, 8, 15, 70, 71}
    known = [interface_class(each.class_id) for each in objects]
    assert {each.class_id for each in objects if interface_class(each.class_id) is None} <= {8192}
    assert sum(found is not None for found in typed.values()) == sum(bool(each and each.reader) for each in known)
    assert all(each.access.of_attribute(1) & Rights.READ for each in objects)
    assert association.status is AssociationStatus.ASSOCIATED
    assert association.partners is not None
    assert association.partners.client == 32
    assert association.terms is not None
    assert limiter.normal is not None
    assert limiter.normal.unit == "W"


def test_the_relay_is_opened_and_closed(fleet: Fleet) -> None:
    with talking(fleet, "microstar 0", profile_of("microstar")) as (driver, conversation):
        states = [driver.run(read_disconnect_control(conversation, DISCONNECT)).output]
        driver.run(remote_disconnect(conversation, DISCONNECT))
        states.append(driver.run(read_disconnect_control(conversation, DISCONNECT)).output)
        driver.run(remote_reconnect(conversation, DISCONNECT))
        states.append(driver.run(read_disconnect_control(conversation, DISCONNECT)).output)
    assert states[:2] == [True, False]


def test_a_clock_that_is_late_is_shifted_then_set(fleet: Fleet) -> None:
    def now() -> datetime:
        return datetime.now(UTC)

    with talking(fleet, "late", profile_of("microstar")) as (driver, conversation):
        before = driver.run(read_clock(conversation))
        refused = driver.run(synchronise(conversation, now, CorrectionLimits(refuse=timedelta(seconds=50))))
        shifted = driver.run(synchronise(conversation, now))
        moved = driver.run(synchronise(conversation, lambda: now() + timedelta(minutes=30)))
        after = driver.run(read_clock(conversation))
    assert before.moment is not None
    assert after.moment is not None
    assert (refused.step, shifted.step, shifted.verified) == (Step.REFUSED, Step.SHIFT, True)
    assert shifted.before is not None
    assert abs(shifted.before - timedelta(seconds=100)) < timedelta(seconds=2)
    assert (moved.step, moved.verified) == (Step.SET, True)
    assert abs(after.moment - now() - timedelta(minutes=30)) < timedelta(seconds=3)
    assert after.time.deviation == before.time.deviation
