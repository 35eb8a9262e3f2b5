"""What was learnt of a meter, as an entry for the catalogue and as wishes for the store.

In: what ``discovery`` found. Out: the TOML that ``common.model_file`` reads again; measurements as the API takes them.
No secret enters: neither password nor keys are among what is kept.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from common.meter_model import Ability, Origin, Scope, Status
from common.obis import Obis
from poller.dlms.conversation import Profile, Transport
from poller.dlms.xdlms import Conformance

_GRANTED: Final = (
    ("blocks", Conformance.BLOCK_TRANSFER_WITH_GET),
    ("selection", Conformance.SELECTIVE_ACCESS),
)
_TEXT_LIMIT: Final = 200
"""Characters of a text that a meter told."""


@dataclass(frozen=True, slots=True)
class Found:
    """A measurement that the meter has."""

    key: str
    obis: Obis
    class_id: int
    attribute: int
    scaler: int | None
    unit: str | None
    """None: the meter says none."""


@dataclass(frozen=True, slots=True)
class FoundProfile:
    """A profile, and what it captures: class, code and attribute of each column."""

    obis: Obis
    period_s: int | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one meter told of itself, to one client."""

    profile: Profile
    conformance: int
    max_pdu: int
    max_info: int | None
    window: int | None
    lists: Ability
    objects: int | None
    """How many the client sees; None: the meter has no list for it."""
    channel: int
    serial: str
    firmware: str
    found: tuple[Found, ...]
    missing: tuple[tuple[str, str], ...]
    """Measurements that the catalogue knows and this meter does not give, with the reason."""
    profiles: tuple[FoundProfile, ...]
    requests: int
    listed: tuple[tuple[int, Obis], ...] = ()
    """Class and code of what the client sees, the first so many."""

    def result(self) -> dict[str, object]:
        """Return everything as plain data; ``configuration`` as the API takes it."""
        return {
            "configuration": {"measurements": self.wishes()},
            "measurements": [
                {
                    "measurement_name": item.key,
                    "obis_code": str(item.obis),
                    "class": item.class_id,
                    "attribute": item.attribute,
                    "unit": item.unit,
                    "scaler": item.scaler,
                }
                for item in self.found
            ],
            "missing": {key: reason[:_TEXT_LIMIT] for key, reason in self.missing},
            "serial_number": self.serial[:_TEXT_LIMIT],
            "firmware_version": self.firmware[:_TEXT_LIMIT],
            "channel": self.channel,
            "profiles": [
                {"obis_code": str(each.obis), "period_s": each.period_s, "columns": list(each.columns)}
                for each in self.profiles
            ],
            "conformance": f"{self.conformance:06x}",
            "max_pdu": self.max_pdu,
            "requests": self.requests,
            "objects_count": self.objects,
            "objects": [{"class": class_id, "obis_code": str(obis)} for class_id, obis in self.listed],
        }

    def wishes(self) -> list[dict[str, object]]:
        """Return the measurements as the API takes them."""
        return [
            {
                "measurement_name": item.key,
                "obis_code": str(item.obis),
                "class": item.class_id,
                "attribute": item.attribute,
            }
            for item in self.found
        ]

    def to_toml(self, name: str, port: int) -> str:
        """Return the entry of that name."""
        return "\n".join(_lines(self, name, port)) + "\n"


def _lines(proposal: Proposal, name: str, port: int) -> Iterator[str]:
    yield f"# Asked of one meter in {proposal.requests} requests; what is not known of others stays to be said."
    for key, reason in proposal.missing:
        yield f"# {key} is not here: {_text(reason)}"
    yield from _head(proposal, name)
    yield from _assume(proposal, port)
    yield from _expected(proposal)
    yield from _evidence(proposal)
    for each in proposal.profiles:
        yield from ("", "[[profile]]", f'obis = "{each.obis}"')
        if each.period_s is not None:
            yield f"period_s = {each.period_s}"
        yield f"columns = {_texts(each.columns)}"
    yield from ("", "[measurements]")
    for item in proposal.found:
        scaled = "" if item.scaler is None else f"  # scaler {item.scaler}"
        place = f'obis = "{item.obis}", class = {item.class_id}, attribute = {item.attribute}'
        yield f"{item.key} = {{ {place}, unit = {_text(item.unit or '')} }}{scaled}"


def _head(proposal: Proposal, name: str) -> Iterator[str]:
    profile = proposal.profile
    yield f"name = {_text(name)}"
    yield f"title = {_text(name)}"
    yield "makers = []"
    yield f"meters = [{_text(_identity(proposal))}]"
    yield f"carriers = [{_text(profile.transport)}]"
    yield f"addressing = {_text('as this one meter was reached')}"
    yield f"security = {_text(f'{profile.mechanism}, protection {profile.security.level}, as it was asked with')}"
    yield f"reading = {_text(Status.FACTS_ONLY)}"


def _identity(proposal: Proposal) -> str:
    firmware = f", firmware {proposal.firmware}" if proposal.firmware else ""
    return f"serial number {proposal.serial or 'not told'}{firmware}"


def _assume(proposal: Proposal, port: int) -> Iterator[str]:
    profile = proposal.profile
    yield from ("", "[assume]")
    yield f"transport = {_text(profile.transport)}"
    yield f"port = {port}"
    yield f"client_id = {profile.client_id}"
    yield f"server_logical = {profile.server_logical}"
    if profile.transport is Transport.HDLC and profile.server_physical is not None:
        yield f"server_physical = {profile.server_physical}"
    if profile.address_size is not None:
        yield f"address_size = {profile.address_size}"
    yield f"authentication = {_text(profile.mechanism)}"
    yield f"referencing = {_text(profile.referencing)}"
    yield f"channel = {proposal.channel}"


def _expected(proposal: Proposal) -> Iterator[str]:
    yield from ("", "[expected]", f'conformance = "{proposal.conformance:06x}"')
    numbers = (("max_pdu", proposal.max_pdu), ("max_info", proposal.max_info), ("window", proposal.window))
    for key, number in numbers:
        if number:
            yield f"{key} = {number}"
    yield f"lists = {_text(proposal.lists)}"
    for key, bit in _GRANTED:
        yield f"{key} = {_text(Ability.YES if proposal.conformance & bit else Ability.NO)}"


def _evidence(proposal: Proposal) -> Iterator[str]:
    client, rights = proposal.profile.client_id, "" if proposal.objects is None else f"sees {proposal.objects} objects"
    yield from ("", "[[sap]]", f"client = {client}", 'name = "asked with"', f"rights = {_text(rights)}")
    yield f"authentication = [{_text(proposal.profile.mechanism)}]"
    yield from ("", "[[evidence]]", f"scope = {_text(Scope.FRAMES)}", f"origin = {_text(Origin.METER)}")
    yield 'says = "What one meter told of itself; no capture was kept."'


def _texts(texts: Sequence[str]) -> str:
    return f"[{', '.join(_text(text) for text in texts)}]"


def _text(text: str) -> str:
    """Return a basic string of TOML, on one line: JSON's form, but for what only TOML forbids."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in text[:_TEXT_LIMIT])
    return json.dumps(kept, ensure_ascii=False)
