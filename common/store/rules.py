"""What a wish may hold: one table of bounds for whoever writes wishes (API, meterctl, the first run).

In: a MeterWish of the right types. Out: nothing, or BadWish that names the field. Pure: no database, no look-up of
names may enter.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from common.catalogue import DEFAULT_MEASUREMENTS, MODELS, measurement
from common.meter_words import (
    AUTHENTICATIONS,
    KEY_OCTETS,
    LINE_MODES,
    MAX_SUITE,
    REFERENCINGS,
    SECURITIES,
    TITLE_OCTETS,
    TRANSPORTS,
)
from common.obis import BadObis, Obis
from common.redaction import is_secret_attribute
from common.secret import Secret
from common.store.errors import BadWish
from common.store.model import MeasurementWish, MeterWish
from common.worker_file import MAX_INTERVAL_S, MAX_MEASUREMENTS, MIN_INTERVAL_S, Limits

MAX_NAME: Final = 64  # characters; a part of an MQTT topic and of a log line
MAX_HOST: Final = 253  # RFC 1035
MAX_PASSWORD: Final = 128  # characters; a low-level password is far shorter
MAX_TOKEN: Final = 512  # characters of a ThingsBoard token
MAX_DEVICE_NAME: Final = 255  # ThingsBoard's own limit
MAX_KEY: Final = 64
FEWEST_DIGITS: Final = 8  # of a name that is all digits: a shorter one could be taken for a row id
WITH_SECRET: Final = frozenset(AUTHENTICATIONS) - {"none", "hls-gmac"}  # GMAC proves the keys, the others a password
KEY_DIGITS: Final = 2 * KEY_OCTETS
TITLE_DIGITS: Final = 2 * TITLE_OCTETS

WHOLE: Final[Mapping[str, tuple[int, int]]] = {
    "port": (1, 65535),
    "client_id": (1, 65535),
    "server_logical": (0, 65535),
    "server_physical": (0, 16383),
    "tb_port": (1, 65535),
    "security_suite": (0, MAX_SUITE),
}
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "transport": TRANSPORTS,
    "authentication": AUTHENTICATIONS,
    "security": SECURITIES,
    "referencing": REFERENCINGS,
    "line_mode": LINE_MODES,
    "model": tuple(MODELS),
}
_SIZES: Final[Mapping[int, int]] = {1: 127, 2: 127, 4: 16383}  # octets of an HDLC address to its highest part
_LIMIT_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "connect_timeout_s": (0.1, 60.0),
    "reply_timeout_s": (0.1, 30.0),
    "inter_octet_timeout_s": (0.05, 30.0),
    "failed_cycles_to_reconnect": (1, 1000),
    "breaker_failures": (1, 1000),
    "hdlc_errors_to_relink": (1, 1000),
    "reconnects_per_hour": (1, 3600),
    "connects_per_s": (1, 1000),
    "auth_retry_s": (60.0, 7 * 86_400.0),  # a meter locks out who hammers it
    "journal_max_octets": (1 << 20, 1 << 30),
}
_ANY_LIMIT: Final = (0.0, 31 * 86_400.0)
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_KEY: Final = re.compile(r"[A-Za-z0-9_.:-]+")


def measurements_of(model: str, keys: Sequence[str] = DEFAULT_MEASUREMENTS) -> tuple[MeasurementWish, ...]:
    """Return the wishes for a model's measurements by key; raise UnknownModel or UnknownMeasurement."""
    entries = (measurement(model, key) for key in keys)
    return tuple(MeasurementWish(entry.key, entry.obis, entry.class_id, entry.attribute) for entry in entries)


def check(wish: MeterWish) -> None:
    """Raise BadWish for the first field that is out of bounds."""
    for rule in _RULES:
        rule(wish)


def _name(wish: MeterWish) -> None:
    name = wish.name
    if not 1 <= len(name) <= MAX_NAME:
        raise BadWish("name", f"1 to {MAX_NAME} characters were expected")
    if not name.isprintable() or name != name.strip() or set(name) & set("/+#") or name.startswith("$"):
        raise BadWish(
            "name", "no '/', '+', '#', control characters, outer spaces or leading '$': it is part of a topic"
        )
    if name.isdigit() and len(name) < FEWEST_DIGITS:
        raise BadWish("name", f"a name of fewer than {FEWEST_DIGITS} digits would be taken for a row id")
    if re.fullmatch(r"[0-9a-fA-F]{32}", name):
        raise BadWish("name", "32 hexadecimal digits would be taken for a uid")


def _host(name: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        numeric = labels[-1].isdigit()  # RFC 3696, 2: no top-level domain is all digits; 10.0.0.256 is a typing error
        if len(text) > MAX_HOST or numeric or not all(_LABEL.fullmatch(label) for label in labels):
            raise BadWish(name, "an IP address or a host name was expected") from None


def _hosts(wish: MeterWish) -> None:
    _host("ip_address", wish.ip_address)
    if wish.tb_host:
        _host("tb_host", wish.tb_host)


def _numbers(wish: MeterWish) -> None:
    for name, (low, high) in WHOLE.items():
        value = getattr(wish, name)
        if value is not None and not low <= value <= high:
            raise BadWish(name, f"a whole number from {low} to {high} was expected, not {value}")
    if not MIN_INTERVAL_S <= wish.interval_s <= MAX_INTERVAL_S:
        raise BadWish("interval_s", f"{MIN_INTERVAL_S} to {MAX_INTERVAL_S:.0f} seconds were expected")


def _words(wish: MeterWish) -> None:
    for name, words in WORDS.items():
        value = getattr(wish, name)
        if value not in words:
            raise BadWish(name, f"one of {', '.join(words)} was expected, not {str(value)[:40]!r}")


def _address(wish: MeterWish) -> None:
    if wish.transport != "hdlc":
        return
    if wish.client_id > 127:
        raise BadWish("client_id", "an HDLC client address is at most 127")
    size = wish.address_size
    if size is None:
        return
    if size not in _SIZES:
        raise BadWish("address_size", f"an HDLC server address has 1, 2 or 4 octets, not {size}")
    for name, part in (("server_logical", wish.server_logical), ("server_physical", wish.server_physical)):
        if part is not None and part > _SIZES[size]:
            raise BadWish(name, f"{part} does not fit an address of {size} octets")


def _credentials(wish: MeterWish) -> None:
    _secret("password", wish.password, MAX_PASSWORD)
    _secret("tb_token", wish.tb_token, MAX_TOKEN)
    if wish.authentication in WITH_SECRET and not wish.password:
        raise BadWish("password", f"authentication {wish.authentication} needs one")
    if len(wish.tb_device_name) > MAX_DEVICE_NAME or not wish.tb_device_name.isprintable():
        raise BadWish("tb_device_name", f"at most {MAX_DEVICE_NAME} characters, none of control")


def _security(wish: MeterWish) -> None:
    """Keys and titles are hexadecimal and of their length; what the security and GMAC need is there."""
    for name in ("encryption_key", "authentication_key"):
        _hexadecimal(name, getattr(wish, name).reveal(), KEY_DIGITS)
    for name in ("client_title", "server_title"):
        _hexadecimal(name, getattr(wish, name), TITLE_DIGITS)
    protects, proves = wish.security != "none", wish.authentication == "hls-gmac"
    why = "security " + wish.security if protects else "authentication hls-gmac"
    if (protects or proves) and not (wish.client_title and wish.encryption_key):
        raise BadWish("encryption_key" if wish.client_title else "client_title", f"{why} needs it")
    if (proves or wish.security in {"auth", "both"}) and not wish.authentication_key:
        raise BadWish("authentication_key", f"{why} needs it")
    if wish.authentication == "hls-sha256" and not wish.client_title:
        raise BadWish("client_title", "authentication hls-sha256 needs it: titles are part of its digest")
    for name in ("dedicated_key", "general_ciphering"):
        if getattr(wish, name) and not protects:
            raise BadWish(name, "only with a security other than none")


def _hexadecimal(name: str, text: str, digits: int) -> None:
    """Refuse what is there and no such number of digits; the text itself is never shown."""
    if text and not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", text):
        raise BadWish(name, f"{digits} hexadecimal digits were expected")


def _secret(name: str, secret: Secret, limit: int) -> None:
    text = secret.reveal()
    if len(text) > limit or not text.isprintable():
        raise BadWish(name, f"at most {limit} characters, none of control")


def _measurements(wish: MeterWish) -> None:
    if not 1 <= len(wish.measurements) <= MAX_MEASUREMENTS:
        raise BadWish("measurements", f"1 to {MAX_MEASUREMENTS} were expected, not {len(wish.measurements)}")
    names: set[str] = set()
    keys: set[str] = set()
    for place, item in enumerate(wish.measurements):
        where = f"measurements[{place}]"
        _measurement(item, where)
        key = item.tb_key or item.measurement_name
        if item.measurement_name in names:
            raise BadWish(f"{where}.measurement_name", f"{item.measurement_name} is there twice")
        if item.enabled and key in keys:
            raise BadWish(f"{where}.tb_key", f"{key} is published by another measurement")
        names.add(item.measurement_name)
        keys |= {key} if item.enabled else set()


def _measurement(item: MeasurementWish, where: str) -> None:
    for name, text in (("measurement_name", item.measurement_name), ("tb_key", item.tb_key or "x")):
        if len(text) > MAX_KEY or not _KEY.fullmatch(text):
            raise BadWish(f"{where}.{name}", f"1 to {MAX_KEY} letters, digits or '_.:-' were expected")
    try:
        Obis.parse(item.obis_code)
    except BadObis as error:
        raise BadWish(f"{where}.obis_code", error.detail) from None
    if not 1 <= item.class_id <= 65535:
        raise BadWish(f"{where}.class", f"a whole number from 1 to 65535 was expected, not {item.class_id}")
    if not 1 <= item.attribute <= 127:
        raise BadWish(f"{where}.attribute", f"a whole number from 1 to 127 was expected, not {item.attribute}")
    if is_secret_attribute(item.class_id, item.attribute):
        raise BadWish(f"{where}.attribute", "a secret of the meter: it would be published as a reading")
    if item.sampling_interval is not None and not MIN_INTERVAL_S <= item.sampling_interval <= MAX_INTERVAL_S:
        raise BadWish(f"{where}.sampling_interval", f"{MIN_INTERVAL_S} to {MAX_INTERVAL_S:.0f} seconds were expected")


def _load_profile(wish: MeterWish) -> None:
    if not wish.load_profile:
        return
    try:
        Obis.parse(wish.load_profile)
    except BadObis as error:
        raise BadWish("load_profile", error.detail) from None


def _limits(wish: MeterWish) -> None:
    known = asdict(Limits())
    for name, value in wish.limits.items():
        if name not in known:
            raise BadWish(f"limits.{name[:MAX_KEY]}", f"not a limit; there are {', '.join(known)}")
        low, high = _LIMIT_BOUNDS.get(name, _ANY_LIMIT)
        if not math.isfinite(value) or not low <= value <= high:
            raise BadWish(f"limits.{name}", f"a number from {low:g} to {high:g} was expected")
        if isinstance(known[name], int) and value != int(value):
            raise BadWish(f"limits.{name}", "a whole number was expected")


_RULES: Final[Sequence[Callable[[MeterWish], None]]] = (
    _name,
    _hosts,
    _numbers,
    _words,
    _address,
    _credentials,
    _security,
    _measurements,
    _load_profile,
    _limits,
)
