"""What a meter is, asked of the meter itself: an open session in, a Proposal for the catalogue out.

The object list says which of the known measurements there are, and where; scalers, identity, lists and profiles are
tried. A refusal is a finding, not an error; what ends the link ends the discovery. Requests have a limit.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeVar

from common.errors import Again, BridgeError, Reassociate, Skip
from common.meter_model import Ability, CatalogueEntry
from common.obis import Obis
from poller.dlms.conversation import Association, AttributeRef, Conversation, Exchange, Referencing
from poller.dlms.cosem import ScalerUnit, scaler_attribute, scaler_unit, unit_name
from poller.dlms.data import Data
from poller.dlms.errors import AssociationLost, BadData
from poller.dlms.objects.association_ln import read_object_list
from poller.dlms.objects.association_sn import read_short_list
from poller.dlms.objects.fields import array, integer, logical_name, structure
from poller.proposal import Found, FoundProfile, Proposal
from poller.sampler import octets_text

MAX_REQUESTS: Final = 160
"""Attributes asked in all, beside the object list: four for each known measurement, and a few more."""
MAX_PROFILES: Final = 8
MAX_COLUMNS: Final = 64
MAX_LISTED: Final = 1000
"""Objects that a proposal names; a message of the bus and a row of the store have room for them."""
LIST_REQUESTS: Final = 256
"""Requests that the object list may take in blocks; the largest have some 30 KiB."""
TRIED_CHANNELS: Final = (0, 1)
"""Value group B where there is no object list: the first whose energy can be read."""
_SERIALS: Final = (Obis(1, 0, 0, 0, 0), Obis(0, 0, 96, 1, 0))
_FIRMWARES: Final = (Obis(1, 0, 0, 2, 0), Obis(0, 0, 0, 2, 0))
_DATA, _REGISTER, _PROFILE_GENERIC = 1, 3, 7
_MEASURING: Final = (3, 4, 5, 1)
"""Classes with a measured value in attribute 2, the likeliest first."""
_CAPTURED, _PERIOD = 3, 4
_COMMON: Final = "active_energy"
"""What every meter measures."""
_NO_UNIT: Final = (254, 255)
_T = TypeVar("_T")


class Opened(Protocol):
    """The part of an open session that is used."""

    @property
    def conversation(self) -> Conversation:
        """Return what its exchanges are made with."""

    def get(self, ref: AttributeRef) -> Data:
        """Return one attribute."""

    def get_many(self, refs: Sequence[AttributeRef]) -> list[Data | BridgeError]:
        """Return attributes in the order asked."""

    def run(self, exchange: Exchange[_T], requests: int = 1) -> _T:
        """Drive an exchange."""

    def associate(self) -> Association:
        """Associate anew."""


Objects = Mapping[Obis, int]
"""What the client sees: codes and their classes; of two objects of one code the one that measures."""


def discover(session: Opened, known: Mapping[str, CatalogueEntry]) -> Proposal:
    """Return what an open session's meter tells of itself, of what is known and beside it.

    Raises what ends the link, or AssociationLost.
    """
    terms = session.conversation.association
    if terms is None:
        raise AssociationLost("there is no association: open one first")
    return _Discovery(session).proposal(terms, known)


class _Discovery:
    """One meter's answers, and how many requests they took."""

    def __init__(self, session: Opened) -> None:
        self._session = session
        self._profile = session.conversation.profile
        self._requests = 0

    def proposal(self, terms: Association, known: Mapping[str, CatalogueEntry]) -> Proposal:
        """Ask, and return what was found."""
        objects = self._objects()
        channel = self._tried_channel(known) if objects is None else _channel(objects, known)
        found, missing = self._measurements(objects, known, channel)
        limits = self._session.conversation.frame_limits
        return Proposal(
            profile=self._profile,
            conformance=terms.conformance,
            max_pdu=terms.max_pdu,
            max_info=limits.info_rx if limits else None,
            window=limits.window_rx if limits else None,
            lists=self._lists(terms, found),
            objects=None if objects is None else len(objects),
            channel=channel,
            serial=self._identity(objects, _SERIALS),
            firmware=self._identity(objects, _FIRMWARES),
            found=tuple(found),
            missing=tuple(missing),
            profiles=tuple(self._profiles(objects)),
            requests=self._requests,
            listed=tuple((class_id, obis) for obis, class_id in sorted((objects or {}).items()))[:MAX_LISTED],
        )

    def _objects(self) -> Objects | None:
        """Return the object list; None where the meter has none for this client, or a wrong one."""
        conversation = self._session.conversation
        self._requests += 1
        try:
            pairs = self._session.run(_pairs(conversation), LIST_REQUESTS)
        except (Skip, Again, Reassociate) as error:
            self._after(error)
            return None
        objects: dict[Obis, int] = {}
        for class_id, obis in pairs:
            if _rank(class_id) < _rank(objects.get(obis)):
                objects[obis] = class_id
        return objects

    def _measurements(
        self, objects: Objects | None, known: Mapping[str, CatalogueEntry], channel: int
    ) -> tuple[list[Found], list[tuple[str, str]]]:
        found: list[Found] = []
        missing: list[tuple[str, str]] = []
        for entry in known.values():
            obis = _at(entry, channel)
            class_id = _REGISTER if objects is None else objects.get(obis)
            if class_id is None:
                missing.append((entry.key, f"{obis} is not in the object list"))
                continue
            answer = self._measurement(entry.key, AttributeRef(class_id, obis, 2))
            if isinstance(answer, Found):
                found.append(answer)
            else:
                missing.append((entry.key, answer))
        return found, missing

    def _tried_channel(self, known: Mapping[str, CatalogueEntry]) -> int:
        for channel in TRIED_CHANNELS:
            if _COMMON in known and isinstance(
                self._ask(AttributeRef(_REGISTER, _at(known[_COMMON], channel), 2)), Data
            ):
                return channel
        return TRIED_CHANNELS[0]

    def _measurement(self, key: str, ref: AttributeRef) -> Found | str:
        """Return a measurement, or why the meter does not give its value."""
        value = self._ask(ref)
        if isinstance(value, str):
            return value
        if isinstance(value.value, tuple) or value.value is None:
            return f"{ref.obis} holds no single value"
        scaling = self._scaling(ref)
        unit = None if scaling is None or scaling.unit in _NO_UNIT else unit_name(scaling.unit)
        return Found(key, ref.obis, ref.class_id, ref.attribute, None if scaling is None else scaling.scaler, unit)

    def _scaling(self, ref: AttributeRef) -> ScalerUnit | None:
        attribute = scaler_attribute(ref.class_id, ref.attribute)
        answer = None if attribute is None else self._ask(AttributeRef(ref.class_id, ref.obis, attribute))
        if not isinstance(answer, Data):
            return None
        try:
            return scaler_unit(answer)
        except BadData:
            return None

    def _identity(self, objects: Objects | None, places: Sequence[Obis]) -> str:
        """Return the first text that the meter has at one of these places, empty where it has none."""
        for obis in places:
            if objects is not None and obis not in objects:
                continue
            answer = self._ask(AttributeRef(_DATA, obis, 2))
            if isinstance(answer, Data) and isinstance(answer.value, bytes | str | int):
                return octets_text(answer.value) if isinstance(answer.value, bytes) else str(answer.value)
        return ""

    def _lists(self, terms: Association, found: Sequence[Found]) -> Ability:
        """Return whether GET-with-list was granted, and a list of two was answered with two values."""
        if not terms.supports_with_list:
            return Ability.NO
        refs = [AttributeRef(item.class_id, item.obis, item.attribute) for item in found[:2]]
        if len(refs) < 2:
            return Ability.UNKNOWN
        self._requests += len(refs)
        try:
            answers = self._session.get_many(refs)
        except (Skip, Again, Reassociate) as error:
            self._after(error)
            return Ability.NO
        fallbacks = self._session.conversation.counters.with_list_fallbacks
        whole = all(isinstance(answer, Data) for answer in answers)
        return Ability.YES if whole and not fallbacks else Ability.NO

    def _profiles(self, objects: Objects | None) -> list[FoundProfile]:
        names = [obis for obis, class_id in (objects or {}).items() if class_id == _PROFILE_GENERIC]
        profiles = (self._captured(obis) for obis in sorted(names)[:MAX_PROFILES])
        return [profile for profile in profiles if profile is not None]

    def _captured(self, obis: Obis) -> FoundProfile | None:
        """Return a profile's columns; None when the meter does not tell them."""
        columns = self._ask(AttributeRef(_PROFILE_GENERIC, obis, _CAPTURED))
        period = self._ask(AttributeRef(_PROFILE_GENERIC, obis, _PERIOD))
        if isinstance(columns, str):
            return None
        seconds = period.value if isinstance(period, Data) and isinstance(period.value, int) else None
        try:
            return FoundProfile(obis, seconds, tuple(_column(each) for each in array(columns)[:MAX_COLUMNS]))
        except BadData:
            return None

    def _ask(self, ref: AttributeRef) -> Data | str:
        """Return an attribute, or why it cannot be had; a lost association is made anew."""
        if self._requests >= MAX_REQUESTS:
            return f"{ref} was not asked, {MAX_REQUESTS} requests are enough"
        self._requests += 1
        try:
            return self._session.get(ref)
        except (Skip, Again, Reassociate) as error:
            self._after(error)
            return error.detail

    def _after(self, error: BridgeError) -> None:
        """Associate anew where the association is gone: with some meters an exception-response ends it."""
        if isinstance(error, Reassociate):
            self._requests += 1
            self._session.associate()


def _pairs(conversation: Conversation) -> Exchange[list[tuple[int, Obis]]]:
    """Return class and code of every object, with long or with short names."""
    if conversation.profile.referencing is Referencing.SN:
        short = yield from read_short_list(conversation)
        return [(each.class_id, each.obis) for each in short]
    long = yield from read_object_list(conversation)
    return [(each.class_id, each.obis) for each in long]


def _rank(class_id: int | None) -> int:
    """Return how much a class is wanted: those that measure first, then any, then none."""
    if class_id in _MEASURING:
        return _MEASURING.index(class_id)
    return len(_MEASURING) + (class_id is None)


def _channel(objects: Objects, known: Mapping[str, CatalogueEntry]) -> int:
    """Return the value group B under which the meter has most of what is known; the lowest of several."""
    channels = sorted({obis.b for obis in objects if obis.a == 1})
    return max(channels, key=lambda b: sum(_at(entry, b) in objects for entry in known.values()), default=0)


def _at(entry: CatalogueEntry, channel: int) -> Obis:
    obis = Obis.parse(entry.obis)
    return Obis(obis.a, channel, obis.c, obis.d, obis.e)


def _column(data: Data) -> str:
    class_id, name, attribute, _index = structure(data, 4)
    return f"{integer(class_id)}/{logical_name(name)}/{integer(attribute)}"
