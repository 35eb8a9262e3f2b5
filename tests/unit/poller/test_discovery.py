"""What a meter tells of itself: simulated meters without sockets, and meters that are worse."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

import pytest

from common.catalogue import model
from common.errors import BridgeError
from common.meter_model import Ability
from common.model_file import parse_model
from common.obis import Obis
from common.worker_file import Limits
from poller.discovery import MAX_COLUMNS, MAX_PROFILES, MAX_REQUESTS, discover
from poller.dlms.association import Association
from poller.dlms.conversation import AttributeRef, Conversation, Exchange, Profile, Referencing, Transport
from poller.dlms.data import Data, DataType
from poller.dlms.errors import AccessDenied, AssociationLost, ExceptionResponse, ObjectUndefined, PeerClosed
from poller.dlms.objects.association_ln import object_list
from poller.dlms.xdlms import DEFAULT_CONFORMANCE, Conformance
from poller.resolver import Resolver
from poller.session import Session
from poller.simulator import MeterSpec, Personality, personality
from tests.support.cosem_objects import array, capture, integer, name, octets, scaling, structure
from tests.support.simulated import StillClock
from tests.support.wires import SimulatedWire

_T = TypeVar("_T")

HDLC = Profile(Transport.HDLC, client_id=16, server_logical=1, address_size=1)
PUBLIC = AttributeRef(15, Obis(0, 0, 40, 0, 0), 2)
KNOWN = model("generic").measurements
KEYS = {
    *("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3", "frequency"),
    *("active_power", "reactive_power", "apparent_power", "power_factor"),
    *("active_energy", "active_energy_export", "reactive_energy"),
}


def nothing() -> None:
    """Nothing else has to go on."""


def opened(kind: Personality, profile: Profile = HDLC) -> Session:
    clock = StillClock()
    wire = SimulatedWire(clock, MeterSpec("sim-1", kind), nothing)
    session = Session(profile, wire, Resolver(clock, nothing), clock, Limits())
    session.open("127.0.0.1", 3333)
    return session


@pytest.mark.parametrize(
    ("kind", "profile", "channel", "lists"),
    [
        (personality("microstar"), HDLC, 1, Ability.NO),
        (replace(personality("generic-list"), sizes=(1,), preferred_size=1), HDLC, 0, Ability.YES),
        (personality("wrapper"), Profile(Transport.WRAPPER, client_id=16, server_logical=1), 0, Ability.YES),
        (
            replace(personality("short-names"), sizes=(1,), preferred_size=1),
            replace(HDLC, referencing=Referencing.SN),
            0,
            Ability.YES,
        ),
    ],
)
def test_a_simulated_meter_tells_what_it_has(kind: Personality, profile: Profile, channel: int, lists: Ability) -> None:
    found = discover(opened(kind, profile), KNOWN)
    assert {item.key for item in found.found} == KEYS
    assert (found.missing, found.channel, found.lists) == ((), channel, lists)
    volts = next(item for item in found.found if item.key == "voltage_l1")
    assert (volts.obis, volts.class_id, volts.scaler, volts.unit) == (Obis(1, channel, 32, 7, 0), 3, -2, "V")
    assert found.serial
    assert found.objects
    assert (found.max_info, found.window) == ((128, 1) if profile.transport is Transport.HDLC else (None, None))
    assert found.requests <= MAX_REQUESTS
    assert found.profiles[0].columns[0] == "8/0-0:1.0.0/2"


def test_what_a_meter_tells_becomes_a_model_again() -> None:
    found = discover(opened(personality("microstar")), KNOWN)
    again = parse_model(found.to_toml("hall-7", 3333), "hall-7.toml")
    assert (again.name, again.transport, again.port, again.client_id) == ("hall-7", "hdlc", 3333, 16)
    assert (again.server_logical, again.server_physical, again.address_size) == (1, None, 1)
    assert (again.authentication, again.referencing, again.channel) == ("none", "ln", 1)
    assert (again.about.expected.conformance, again.about.expected.max_pdu) == (found.conformance, found.max_pdu)
    assert again.about.expected.lists is Ability.NO
    assert [(e.key, e.obis, e.class_id, e.attribute, e.unit) for e in again.measurements.values()] == [
        (item.key, str(item.obis), item.class_id, item.attribute, item.unit or "") for item in found.found
    ]
    assert [each.columns for each in again.about.profiles] == [each.columns for each in found.profiles]
    assert found.wishes()[0] == {
        "measurement_name": "voltage_l1",
        "obis_code": "1-1:32.7.0",
        "class": 3,
        "attribute": 2,
    }


# A meter made of a table


@dataclass
class Told:
    """Answers by attribute; what is not there is undefined. ``associations``: how often it was associated anew."""

    answers: dict[AttributeRef, Data | BridgeError] = field(default_factory=dict)
    conformance: int = int(DEFAULT_CONFORMANCE) & ~int(Conformance.MULTIPLE_REFERENCES)
    lists: list[Data | BridgeError] | BridgeError = field(default_factory=list)
    asked: int = 0
    associations: int = 0

    def __post_init__(self) -> None:
        self.conversation = Conversation(HDLC)
        self.conversation.association = Association(self.conformance, 500, 7)

    def give(self, class_id: int, obis: str, attribute: int, answer: Data | BridgeError) -> None:
        self.answers[AttributeRef(class_id, Obis.parse(obis), attribute)] = answer

    def list_objects(self, *objects: tuple[int, str]) -> None:
        entries = [
            structure(integer(class_id, DataType.UINT16), integer(0, DataType.UINT8), name(obis))
            for class_id, obis in objects
        ]
        self.answers[PUBLIC] = array(*entries)

    def get(self, ref: AttributeRef) -> Data:
        self.asked += 1
        answer = self.answers.get(ref, ObjectUndefined("undefined"))
        if isinstance(answer, BridgeError):
            raise answer
        return answer

    def get_many(self, refs: Sequence[AttributeRef]) -> list[Data | BridgeError]:
        if isinstance(self.lists, BridgeError):
            raise self.lists
        return self.lists

    def run(self, exchange: Exchange[_T], requests: int = 1) -> _T:
        """Answer the one exchange that is driven here, the object list, from the table."""
        exchange.close()
        return cast("_T", [(each.class_id, each.obis) for each in object_list(self.get(PUBLIC))])

    def associate(self) -> Association:
        self.associations += 1
        assert self.conversation.association is not None
        return self.conversation.association


ENERGY = integer(5)


def test_the_class_is_that_of_the_object_list_and_of_two_the_one_that_measures() -> None:
    meter = Told()
    meter.list_objects((7, "1-0:1.8.0"), (4, "1-0:1.8.0"), (1, "1-0:1.8.0"), (6, "1-0:32.7.0"))
    meter.give(4, "1-0:1.8.0", 2, ENERGY)
    meter.give(4, "1-0:1.8.0", 3, scaling(1, 255))
    found = discover(meter, KNOWN)
    (energy,) = found.found
    assert (energy.class_id, energy.scaler, energy.unit) == (4, 1, None)
    assert dict(found.missing)["voltage_l1"] == "undefined"
    assert dict(found.missing)["frequency"] == "1-0:14.7.0 is not in the object list"


def test_without_a_list_the_channels_are_tried() -> None:
    meter = Told()
    meter.give(3, "1-1:1.8.0", 2, ENERGY)
    meter.give(3, "1-1:1.8.0", 3, octets(b"no scaler"))
    found = discover(meter, KNOWN)
    assert (found.channel, found.objects, [item.key for item in found.found]) == (1, None, ["active_energy"])
    assert found.found[0].scaler is None
    assert (found.serial, found.firmware, found.profiles) == ("", "", ())


def test_of_a_meter_that_tells_nothing_there_is_nothing() -> None:
    found = discover(Told(), KNOWN)
    assert (found.channel, found.found, len(found.missing)) == (0, (), len(KEYS))
    assert parse_model(found.to_toml("mute", 3333), "mute.toml").measurements == {}


@pytest.mark.parametrize("value", [structure(ENERGY), Data(DataType.NULL, None)])
def test_what_holds_no_single_value_is_no_measurement(value: Data) -> None:
    meter = Told()
    meter.list_objects((3, "1-0:1.8.0"))
    meter.give(3, "1-0:1.8.0", 2, value)
    assert dict(discover(meter, KNOWN).missing)["active_energy"] == "1-0:1.8.0 holds no single value"


def test_an_exception_costs_an_association_and_no_more() -> None:
    meter = Told()
    meter.list_objects((3, "1-0:1.8.0"), (3, "1-0:32.7.0"))
    meter.give(3, "1-0:32.7.0", 2, ExceptionResponse("service not allowed"))
    meter.give(3, "1-0:1.8.0", 2, ENERGY)
    found = discover(meter, KNOWN)
    assert [item.key for item in found.found] == ["active_energy"]
    assert meter.associations == 1


def test_what_ends_the_link_ends_the_discovery() -> None:
    meter = Told()
    meter.list_objects((3, "1-0:1.8.0"))
    meter.give(3, "1-0:1.8.0", 2, PeerClosed("gone"))
    with pytest.raises(PeerClosed):
        discover(meter, KNOWN)
    meter.conversation.association = None
    with pytest.raises(AssociationLost):
        discover(meter, KNOWN)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([ENERGY, ENERGY], Ability.YES),
        ([ENERGY, AccessDenied("denied")], Ability.NO),
        (ExceptionResponse("service unknown"), Ability.NO),
    ],
)
def test_lists_are_tried_before_they_are_believed(
    answers: list[Data | BridgeError] | BridgeError, expected: Ability
) -> None:
    meter = Told(conformance=int(DEFAULT_CONFORMANCE), lists=answers)
    meter.list_objects((3, "1-0:1.8.0"), (3, "1-0:2.8.0"))
    for obis in ("1-0:1.8.0", "1-0:2.8.0"):
        meter.give(3, obis, 2, ENERGY)
    assert discover(meter, KNOWN).lists is expected


def test_lists_that_fell_back_are_not_believed() -> None:
    meter = Told(conformance=int(DEFAULT_CONFORMANCE), lists=[ENERGY, ENERGY])
    meter.conversation.counters.with_list_fallbacks = 1
    meter.list_objects((3, "1-0:1.8.0"), (3, "1-0:2.8.0"))
    for obis in ("1-0:1.8.0", "1-0:2.8.0"):
        meter.give(3, obis, 2, ENERGY)
    assert discover(meter, KNOWN).lists is Ability.NO


def test_one_value_is_too_few_to_try_a_list() -> None:
    meter = Told(conformance=int(DEFAULT_CONFORMANCE))
    meter.list_objects((3, "1-0:1.8.0"))
    meter.give(3, "1-0:1.8.0", 2, ENERGY)
    assert discover(meter, KNOWN).lists is Ability.UNKNOWN


def test_identity_is_text_where_it_can_be() -> None:
    meter = Told()
    meter.list_objects((1, "1-0:0.0.0"), (1, "0-0:96.1.0"), (1, "1-0:0.2.0"))
    meter.give(1, "1-0:0.0.0", 2, structure(ENERGY))
    meter.give(1, "0-0:96.1.0", 2, octets(b"12 34"))
    meter.give(1, "1-0:0.2.0", 2, integer(7))
    found = discover(meter, KNOWN)
    assert (found.serial, found.firmware) == ("12 34", "7")


def test_profiles_are_told_as_far_as_they_can_be_read() -> None:
    meter = Told()
    meter.list_objects((7, "1-0:99.1.0"), (7, "1-0:99.2.0"), (7, "1-0:99.3.0"))
    meter.give(7, "1-0:99.1.0", 3, array(*[capture(8, "0-0:1.0.0")] * (MAX_COLUMNS + 1)))
    meter.give(7, "1-0:99.2.0", 3, array(ENERGY))
    (profile,) = discover(meter, KNOWN).profiles
    assert (profile.obis, profile.period_s, len(profile.columns)) == (Obis(1, 0, 99, 1, 0), None, MAX_COLUMNS)


def test_a_meter_of_profiles_alone_is_asked_for_some() -> None:
    meter = Told()
    meter.list_objects(*((7, f"1-0:99.{number}.0") for number in range(100)))
    discover(meter, KNOWN)
    assert meter.asked == 1 + 2 * MAX_PROFILES


def test_requests_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poller.discovery.MAX_REQUESTS", 3)
    meter = Told()
    meter.list_objects((3, "1-0:1.8.0"), (3, "1-0:2.8.0"))
    meter.give(3, "1-0:1.8.0", 2, ENERGY)
    meter.give(3, "1-0:2.8.0", 2, ENERGY)
    found = discover(meter, KNOWN)
    assert (found.requests, meter.asked) == (3, 3)
    assert "was not asked" in dict(found.missing)["active_energy_export"]
