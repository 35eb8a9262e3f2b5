"""A family of meters as a TOML file has it, checked: text in, a Model out, or BadModel that names file and key.

What a file claims is held against its evidence: ``replayed`` needs octets that are not our simulator's. Unknown keys
are errors, as a typing error would else be a fact that nobody sees.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from common.errors import Hopeless
from common.meter_model import (
    REAL,
    Ability,
    About,
    CatalogueEntry,
    Evidence,
    Expected,
    KnownProfile,
    Model,
    Origin,
    PublicSource,
    Quirk,
    QuirkWord,
    Sap,
    Scope,
    Status,
)
from common.meter_words import REFERENCINGS, TRANSPORTS
from common.obis import BadObis, Obis

MAX_OCTETS: Final = 256 * 1024
"""Of one file; the longest has some 10 KiB."""
AUTHENTICATIONS: Final = ("none", "lls", "hls-md5", "hls-sha1", "hls-gmac", "hls-sha256")
_SIZES: Final = (1, 2, 4)
_CLASS, _ATTRIBUTE = 3, 2
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_Word = TypeVar("_Word", bound=StrEnum)


class BadModel(Hopeless):
    """A file that is no model, or claims what its evidence does not show; names file and key."""


class _Fields:
    """A table of a file. Every field is asked for once; ``done`` complains of what nobody asked for."""

    def __init__(self, table: object, where: str) -> None:
        self.where = where
        if not isinstance(table, dict):
            raise BadModel(f"{where}: a table was expected")
        self._left: dict[str, object] = dict(table)

    def bad(self, key: str, what: str) -> BadModel:
        """Return the error for a key."""
        return BadModel(f"{self.where}{key}: {what}")

    def take(self, key: str) -> object:
        """Return what is there, None where nothing is."""
        return self._left.pop(key, None)

    def rest(self) -> dict[str, object]:
        """Return all fields that are left."""
        left, self._left = self._left, {}
        return left

    def done(self) -> None:
        """Raise BadModel when a field is left."""
        for key in self._left:
            raise self.bad(key, "is not known here")

    def text(self, key: str, default: str | None = None, allowed: tuple[str, ...] = ()) -> str:
        """Return a text, one of those allowed where there are any."""
        value = self.take(key)
        if value is None:
            value = default
        if not isinstance(value, str) or (allowed and value not in allowed):
            raise self.bad(key, f"one of {', '.join(allowed)} was expected" if allowed else "a text was expected")
        return value

    def texts(self, key: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of texts, empty where there is none."""
        value = self.take(key)
        items = [] if value is None else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise self.bad(key, "a list of texts was expected")
        if allowed and not set(items) <= set(allowed):
            raise self.bad(key, f"some of {', '.join(allowed)} were expected")
        return tuple(items)

    def number(self, key: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds, None where there is none."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.bad(key, f"a whole number from {low} to {high} was expected")
        return value

    def needed(self, key: str, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        value = self.number(key, low, high)
        if value is None:
            raise self.bad(key, "is missing")
        return value

    def word(self, key: str, words: type[_Word], default: _Word | None = None) -> _Word:
        """Return one of the words."""
        text = self.text(key, default, tuple(words))
        return words(text)

    def table(self, key: str) -> "_Fields":
        """Return a table, an empty one where there is none."""
        value = self.take(key)
        return _Fields({} if value is None else value, f"{self.where}{key}.")

    def tables(self, key: str) -> list["_Fields"]:
        """Return a list of tables."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.bad(key, "a list of tables was expected")
        return [_Fields(item, f"{self.where}{key}[{place}].") for place, item in enumerate(value)]


def parse_model(text: str, file: str) -> Model:
    """Return the model that a TOML text is; raise BadModel."""
    import tomllib  # workers never read a model, and most programs only some

    if len(text) > MAX_OCTETS:
        raise BadModel(f"{file}: longer than {MAX_OCTETS} characters")
    try:
        fields = _Fields(tomllib.loads(text), f"{file}: ")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadModel(f"{file}: no TOML: {error}") from None
    name = fields.text("name")
    check_name(name, f"{file}: name")
    about = _about(fields)
    model = _model(fields.table("assume"), name, fields.table("measurements"), about)
    fields.done()
    return model


def check_name(name: str, where: str) -> None:
    """Raise BadModel when a text cannot be the name of a model; ``where`` begins the complaint."""
    if not _NAME.fullmatch(name):
        raise BadModel(f"{where}: lower case letters, digits and hyphens were expected")


def _model(assume: _Fields, name: str, measurements: _Fields, about: About) -> Model:
    channel = assume.needed("channel", 0, 255)
    model = Model(
        name=name,
        transport=assume.text("transport", None, TRANSPORTS),
        port=assume.needed("port", 1, 65535),
        client_id=assume.needed("client_id", 1, 65535),
        server_logical=assume.needed("server_logical", 0, 65535),
        server_physical=assume.number("server_physical", 0, 16383),
        address_size=assume.number("address_size", 1, 4),
        authentication=assume.text("authentication", None, AUTHENTICATIONS),
        referencing=assume.text("referencing", "ln", REFERENCINGS),
        channel=channel,
        measurements=_measurements(measurements, channel),
        about=about,
    )
    if model.address_size is not None and model.address_size not in _SIZES:
        raise assume.bad("address_size", "1, 2 or 4 was expected")
    assume.done()
    return model


def _measurements(fields: _Fields, channel: int) -> Mapping[str, CatalogueEntry]:
    """Return measurements by key; codes are full, or C.D.E with A 1 and the model's channel."""
    where = fields.where
    entries: dict[str, CatalogueEntry] = {}
    for key, table in fields.rest().items():
        if not _KEY.fullmatch(key):
            raise fields.bad(key, "lower case letters, digits and underscores were expected")
        item = _Fields(table, f"{where}{key}.")
        obis = _obis(item, channel)
        class_id, attribute = item.number("class", 0, 65535), item.number("attribute", -128, 127)
        entries[key] = CatalogueEntry(
            key,
            obis,
            item.text("unit", ""),
            _CLASS if class_id is None else class_id,
            _ATTRIBUTE if attribute is None else attribute,
        )
        item.done()
    return MappingProxyType(entries)


def _about(fields: _Fields) -> About:
    about = About(
        title=fields.text("title"),
        makers=fields.texts("makers"),
        meters=fields.texts("meters"),
        carriers=fields.texts("carriers"),
        addressing=fields.text("addressing"),
        security=fields.text("security"),
        keys=fields.text("keys", ""),
        reading=fields.word("reading", Status),
        push=fields.word("push", Status, Status.NOT_KNOWN),
        expected=_expected(fields.table("expected")),
        timing=_timing(fields.table("timing")),
        saps=tuple(_sap(item) for item in fields.tables("sap")),
        passwords=fields.texts("passwords"),
        quirks=tuple(_quirk(item) for item in fields.tables("quirk")),
        sources=tuple(_source(item) for item in fields.tables("source")),
        evidence=tuple(_evidence(item) for item in fields.tables("evidence")),
        profiles=tuple(_profile(item) for item in fields.tables("profile")),
    )
    for key, scope in (("reading", Scope.READING), ("push", Scope.PUSH)):
        if getattr(about, key) is Status.REPLAYED and not _is_shown(about, scope):
            raise fields.bad(key, f"claims {Status.REPLAYED}, and no evidence shows it")
    return about


def _is_shown(about: About, scope: Scope) -> bool:
    return any(item.scope is scope and item.replay and item.origin in REAL for item in about.evidence)


def _expected(fields: _Fields) -> Expected:
    block = fields.text("conformance", "")
    if block and not re.fullmatch(r"[0-9a-f]{6}", block):
        raise fields.bad("conformance", "six hexadecimal digits were expected")
    expected = Expected(
        int(block, 16) if block else None,
        fields.number("max_pdu", 1, 65535),
        fields.number("max_info", 1, 2030),
        fields.number("window", 1, 7),
        fields.word("lists", Ability, Ability.UNKNOWN),
        fields.word("blocks", Ability, Ability.UNKNOWN),
        fields.word("selection", Ability, Ability.UNKNOWN),
    )
    fields.done()
    return expected


def _timing(fields: _Fields) -> tuple[tuple[str, str], ...]:
    rows: list[tuple[str, str]] = []
    for key, value in fields.rest().items():
        if not isinstance(value, str):
            raise fields.bad(key, "a text was expected")
        rows.append((key, value))
    return tuple(rows)


def _sap(fields: _Fields) -> Sap:
    sap = Sap(
        fields.needed("client", 1, 65535),
        fields.text("name"),
        fields.text("rights", ""),
        fields.texts("authentication", AUTHENTICATIONS),
    )
    fields.done()
    return sap


def _profile(fields: _Fields) -> KnownProfile:
    profile = KnownProfile(_obis(fields, 0), fields.number("period_s", 0, 1 << 32), fields.texts("columns"))
    fields.done()
    return profile


def _obis(fields: _Fields, channel: int) -> str:
    try:
        return str(Obis.parse(fields.text("obis"), a=1, b=channel))
    except BadObis as error:
        raise fields.bad("obis", error.detail) from None


def _quirk(fields: _Fields) -> Quirk:
    quirk = Quirk(fields.word("word", QuirkWord), fields.text("says"))
    fields.done()
    return quirk


def _source(fields: _Fields) -> PublicSource:
    source = PublicSource(fields.text("title"), fields.text("address", ""), fields.text("says"))
    fields.done()
    return source


def _evidence(fields: _Fields) -> Evidence:
    evidence = Evidence(
        fields.word("scope", Scope),
        fields.word("origin", Origin),
        fields.text("says"),
        fields.text("replay", ""),
        fields.texts("vectors"),
    )
    fields.done()
    return evidence
