"""From the options of `meterctl add` and `edit` to the body that the API would be sent.

In: options as click gives them, None where one was not given. Out: a body for the forms of admin_api.schemas.meters,
which admin_api.completing completes from the model. Passwords and tokens come from files or the environment, never from
the command line.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final, TypeVar, cast

import click

from common.catalogue import DEFAULT_MODEL, MODELS, model
from common.errors import Hopeless
from common.key_file import load_key_file, system_title
from common.meter_words import AUTHENTICATIONS, LINE_MODES, REFERENCINGS, SECURITIES, TRANSPORTS
from common.obis import Obis
from common.secret import Secret
from common.store.errors import BadWish
from common.store.rules import WITH_SECRET
from common.worker_file import Limits

VARIABLE: Final = "DLMS_PASSWORD"
MAX_SECRET_FILE: Final = 4096  # octets; a password or token is far shorter
Command = TypeVar("Command", bound=Callable[..., int])

_LIMITS: Final = tuple(asdict(Limits()))
_PLAIN: Final = (
    *("ip_address", "port", "transport", "model", "client_id", "server_logical", "server_physical"),
    *("authentication", "security", "security_suite", "referencing", "dedicated_key", "general_ciphering"),
    *("interval_s", "line_mode", "backfill", "load_profile", "tb_host", "tb_port", "tb_device_name"),
)
_STORED_KEYS: Final = ("encryption_key", "authentication_key")
_MEASURE: Final = re.compile(r"(?P<key>[^=]+)(=((?P<class>\d+)/)?(?P<obis>[^/]+)(/(?P<attribute>\d+))?)?")
_OPTIONS: Final = (
    click.option("--host", "ip_address", metavar="HOST", help="IP address or host name of the meter."),
    click.option("--port", type=int, help="TCP port; else the model's."),
    click.option("--transport", type=click.Choice(TRANSPORTS), help="Else the model's."),
    click.option("--model", type=click.Choice(list(MODELS)), help="Kind of meter; what is not said follows from it."),
    click.option("--client-id", type=int, help="Client address (SAP)."),
    click.option("--server-id", "server_logical", type=int, help="Server address, upper part (logical device)."),
    click.option("--server-physical", type=int, help="Server address, lower part."),
    click.option("--address-size", type=click.Choice(["1", "2", "4"]), help="Octets of an HDLC server address."),
    click.option("--auth", "authentication", type=click.Choice(AUTHENTICATIONS), help="How the meter knows us."),
    click.option("--password-file", metavar="FILE", help=f"The password's file; else the variable {VARIABLE}."),
    click.option("--security", type=click.Choice(SECURITIES), help="How requests and answers are protected."),
    click.option("--suite", "security_suite", type=int, help="Security suite, 0 or 1."),
    click.option(
        "--system-title", "client_title", metavar="TITLE", help="Ours: 16 hexadecimal digits or 8 characters."
    ),
    click.option("--server-title", metavar="TITLE", help="The meter's, where it does not tell it."),
    click.option("--keys-file", metavar="FILE", help="Keys and password, a line each; open to its owner alone."),
    click.option("--dedicated/--no-dedicated", "dedicated_key", default=None, help="A key for each association."),
    click.option("--general/--no-general", "general_ciphering", default=None, help="General ciphering of services."),
    click.option("--referencing", type=click.Choice(REFERENCINGS), help="Logical or short names."),
    click.option("--interval", "interval_s", type=float, help="Seconds between two readings."),
    click.option(
        "--measure",
        "measure",
        metavar="KEY[=[CLASS/]OBIS[/ATTRIBUTE]]",
        multiple=True,
        help="What to read: a key of the model, or a key of your own and its object. Repeat it for more.",
    ),
    click.option("--line-mode", type=click.Choice(LINE_MODES), help="Whether other meters share the line."),
    click.option(
        "--backfill/--no-backfill", default=None, help="Read what was missed afterwards, from the load profile."
    ),
    click.option("--load-profile", metavar="OBIS", help="Where the load profile is, if not where the model has it."),
    click.option("--limit", metavar="NAME=NUMBER", multiple=True, help="A limit of the worker, by its name."),
    click.option("--tb-host", help="A ThingsBoard server of this meter's own."),
    click.option("--tb-port", type=int, help="Its MQTT port."),
    click.option("--tb-token-file", metavar="FILE", help="The file of the device's access token."),
    click.option("--tb-device", "tb_device_name", help="The device's name in ThingsBoard, if not the meter's."),
)


class UnreadableSecret(Hopeless):
    """The file of a password or token cannot be read, or holds none."""


def wish_options(function: Command) -> Command:
    """Give a command an option for everything that a wish holds."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def body(options: Mapping[str, object]) -> dict[str, object]:
    """Return the API's body of a meter with the fields that the options name; raise UnreadableSecret or BadWish."""
    fields = {name: options[name] for name in _PLAIN if options.get(name) is not None}
    if options.get("address_size"):
        fields["address_size"] = int(str(options["address_size"]))
    if limits := dict(_limit(text) for text in _words(options, "limit")):
        fields["limits"] = limits
    if measure := [
        _measurement(text, str(options.get("model") or DEFAULT_MODEL)) for text in _words(options, "measure")
    ]:
        fields["measurements"] = measure
    for name in ("client_title", "server_title"):
        if options.get(name) is not None:
            fields[name] = system_title(str(options[name])).hex()
    return fields | _secrets(options)


def secret_file(path: Path) -> Secret:
    """Return the first line of a file; raise UnreadableSecret."""
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.readline(MAX_SECRET_FILE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableSecret(f"{path}: {getattr(error, 'strerror', None) or 'not text'}") from None
    if not text:
        raise UnreadableSecret(f"{path}: its first line is empty")
    return Secret(text)


def _secrets(options: Mapping[str, object]) -> dict[str, object]:
    fields = _keys(Path(str(options["keys_file"]))) if options.get("keys_file") else {}
    if options.get("password_file"):
        fields["password"] = secret_file(Path(str(options["password_file"]))).reveal()
    elif options.get("authentication") in WITH_SECRET and "password" not in fields and os.environ.get(VARIABLE):
        fields["password"] = os.environ[VARIABLE]
    if options.get("tb_token_file"):
        fields["tb_token"] = secret_file(Path(str(options["tb_token_file"]))).reveal()
    return fields


def _keys(path: Path) -> dict[str, object]:
    """Return the secrets of a keys file as a body has them; raise BadKeys or UnreadableSecret."""
    found = load_key_file(path)
    fields: dict[str, object] = {name: found[name].hex() for name in _STORED_KEYS if name in found}
    secret = found.get("hls_secret") or found.get("password")
    try:
        return fields | ({"password": secret.decode()} if secret else {})
    except UnicodeDecodeError:
        raise UnreadableSecret(f"{path}: the password is not text, as the store has it") from None


def _words(options: Mapping[str, object], name: str) -> Sequence[str]:
    return cast("tuple[str, ...]", options.get(name) or ())


def _measurement(text: str, model_name: str) -> object:
    """Return what one --measure says, as a body says it; raise BadObis or BadWish."""
    found = _MEASURE.fullmatch(text)
    if found is None:
        raise BadWish("measure", f"KEY or KEY=[CLASS/]OBIS[/ATTRIBUTE] was expected, not {text[:64]!r}")
    if found["obis"] is None:
        return text
    obis = Obis.parse(found["obis"], a=1, b=model(model_name).channel)
    numbers = {name: int(found[name]) for name in ("class", "attribute") if found[name]}
    return {"measurement_name": found["key"], "obis_code": str(obis), **numbers}


def _limit(text: str) -> tuple[str, float]:
    """Return what one --limit says; raise BadWish."""
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise BadWish(f"limits.{name[:64]}", f"NAME=NUMBER was expected; there are {', '.join(_LIMITS)}") from None
