"""``python -m tests.house.meters``: docs/METERS.md, as the catalogue has it; a house test holds it against the file."""

import sys
from collections.abc import Iterator, Sequence
from itertools import chain

from common.catalogue import MODELS
from common.meter_model import About, Expected, Model
from poller.dlms.xdlms import Conformance

HEAD = """# Meters

This document is made from the catalogue (`common/models/`): change it there, then `make meters`. What a meter
negotiates decides when it is read; what stands here is where to begin, and what to expect.

A family is *replayed* when octets of such a meter, or of its maker's documents, become the payload that a broker gets,
in `tests/replays`. *Facts only*: there are public facts, and no octets with a measured value. What was recorded from
our own simulator proves that client and simulator agree, and nothing about the meter.

A meter that is not here: `meterctl objects --host HOST --propose NAME` asks it what it has, and prints an entry of this
catalogue; with `--json` its measurements as the API takes them. `meterctl capture` records what a replay needs.
"""


def document() -> str:
    """Return the whole document."""
    parts = [HEAD, "\n".join(_overview()), *("\n".join(_family(model)) for model in MODELS.values())]
    return "\n".join(parts).rstrip() + "\n"


def _overview() -> Iterator[str]:
    rows = [
        (f"[{model.about.title}](#{_anchor(model.about.title)})", f"`{model.name}`", *_statuses(model.about))
        for model in MODELS.values()
    ]
    yield from _table(("Family", "Model", "Reading", "Push"), rows)
    yield ""


def _anchor(title: str) -> str:
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -")
    return kept.replace(" ", "-")


def _statuses(about: About) -> tuple[str, str]:
    return about.reading.value, about.push.value


def _family(model: Model) -> Iterator[str]:
    about = model.about
    yield f"## {about.title}"
    yield ""
    reading, push = _statuses(about)
    yield f"Reading: **{reading}**. Push: **{push}**."
    yield ""
    yield from _table(("", f"`{model.name}`"), [*_about(about), *_assumed(model), *_expected(about.expected)])
    yield ""
    yield from _listed("Clients", ("Client", "Name", "Rights", "Authentication"), _saps(about))
    yield from _listed("Timing", ("What", "Value"), about.timing)
    yield from _listed("Habits", ("Word", "Meaning", "Known"), _quirks(about))
    yield from _measurements(model)
    yield from _listed("Evidence", ("About", "Origin", "Replay", "Vectors", "What it is"), _evidence(about))
    yield from _sources(about)


def _about(about: About) -> Iterator[tuple[str, str]]:
    yield "Makers", ", ".join(about.makers)
    yield "Meters", "; ".join(about.meters)
    yield "Reached by", "; ".join(about.carriers)
    yield "Addressing", about.addressing
    yield "Security", about.security
    yield "Keys and passwords", about.keys
    yield "Passwords as delivered", "; ".join(about.passwords)


def _assumed(model: Model) -> Iterator[tuple[str, str]]:
    physical = "" if model.server_physical is None else f"/{model.server_physical}"
    size = "" if model.address_size is None else f", {model.address_size} octet{'s' if model.address_size > 1 else ''}"
    names = {"ln": "logical names", "sn": "short names"}[model.referencing]
    yield (
        "Assumed unless said",
        f"{model.transport}, port {model.port}, client {model.client_id}, server {model.server_logical}{physical}{size}"
        f", authentication {model.authentication}, {names}, B = {model.channel}",
    )


def _expected(expected: Expected) -> Iterator[tuple[str, str]]:
    if expected.conformance is not None:
        bits = ", ".join(str(bit.name).lower().replace("_", "-") for bit in Conformance if bit & expected.conformance)
        yield "Conformance", f"`{expected.conformance:06x}`: {bits}"
    numbers = (
        ("largest PDU", expected.max_pdu),
        ("HDLC information", expected.max_info),
        ("HDLC window", expected.window),
    )
    yield "Negotiated", ", ".join(f"{name} {number}" for name, number in numbers if number is not None)
    abilities = (("lists", expected.lists), ("blocks", expected.blocks), ("selective access", expected.selection))
    yield "Abilities", ", ".join(f"{name}: {ability.value}" for name, ability in abilities)


def _saps(about: About) -> Iterator[tuple[str, ...]]:
    return ((str(sap.client), sap.name, sap.rights, ", ".join(sap.authentication)) for sap in about.saps)


def _quirks(about: About) -> Iterator[tuple[str, ...]]:
    return ((f"`{quirk.word}`", quirk.word.meaning, quirk.says) for quirk in about.quirks)


def _evidence(about: About) -> Iterator[tuple[str, ...]]:
    for item in about.evidence:
        replay = f"`{item.replay}`" if item.replay else ""
        vectors = ", ".join(f"`{vector}`" for vector in item.vectors)
        yield item.scope.value, item.origin.value, replay, vectors, item.says


def _measurements(model: Model) -> Iterator[str]:
    rows = [
        (f"`{entry.key}`", f"`{entry.obis}`", str(entry.class_id), str(entry.attribute), entry.unit)
        for entry in model.measurements.values()
    ]
    return _listed("Measurements", ("Key", "Code", "Class", "Attribute", "Unit"), rows)


def _sources(about: About) -> Iterator[str]:
    yield "### Sources"
    yield ""
    for source in about.sources:
        title = f"[{source.title}]({source.address})" if source.address else source.title
        yield f"- {title}: {source.says}"
    yield ""


def _listed(title: str, head: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> Iterator[str]:
    """Yield a chapter with a table; nothing where there are no rows."""
    found = list(rows)
    if found:
        yield from chain((f"### {title}", ""), _table(head, found), ("",))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from (_row(row) for row in rows if row[1])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(document())
