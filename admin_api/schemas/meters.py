"""Meters as bodies ask for them and as they are answered; what narrows a list of them.

Bounds that concern one field alone are those of common.store.rules, shown in the JSON schema; what fields mean together
is judged there. What we answer beside a meter's wishes may come back and is passed over.
"""

from typing import Annotated, Final

from pydantic import AfterValidator, GetJsonSchemaHandler, model_validator
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from admin_api.schemas.shape import (
    EXACT,
    MAX_LIST,
    MAX_TEXT,
    Answer,
    Field,
    Flag,
    OneOf,
    Page,
    Passed,
    Query,
    Shape,
    Text,
    Time,
    Word,
    absent,
)
from common.catalogue import MODELS
from common.meter_state import DesiredState, MeterState
from common.meter_words import AUTHENTICATIONS, LINE_MODES, REFERENCINGS, SECURITIES, TRANSPORTS
from common.secret import Secret
from common.store.rules import MAX_DEVICE_NAME, MAX_HOST, MAX_NAME, MAX_PASSWORD, MAX_TOKEN, WHOLE
from common.worker_file import MAX_INTERVAL_S, MAX_MEASUREMENTS, MIN_INTERVAL_S

_ALIASES: Final = ("name", "key")


def _bounds(name: str) -> object:
    low, high = WHOLE[name]
    return Field(ge=low, le=high)


class _OrName:
    """Says in the JSON schema that a measurement may be given by its name alone."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        named = {"type": "string", "description": "A name from the model's catalogue."}
        return {"anyOf": [named, handler(schema)]}


def _secret(limit: int) -> object:
    extra: JsonDict = {"writeOnly": True, "x-expected": f"a text of at most {limit} characters or null"}
    return Field(json_schema_extra=extra)


def _sealed(text: object) -> Secret:
    return Secret("" if text is None else str(text))


Port = Annotated[int, _bounds("port")]
Host = Annotated[str, Field(min_length=1, max_length=MAX_HOST, description="An IP address or a host name.")]
Name = Annotated[
    str, Field(min_length=1, max_length=MAX_NAME, description="Part of a topic: no '/', '+', '#', no leading '$'.")
]
Interval = Annotated[float, Field(ge=MIN_INTERVAL_S, le=MAX_INTERVAL_S, description="Seconds.")]
SecretText = Annotated[str | None, Field(max_length=MAX_TEXT), AfterValidator(_sealed), _secret(MAX_TEXT)]
Password = Annotated[str | None, Field(max_length=MAX_PASSWORD), AfterValidator(_sealed), _secret(MAX_PASSWORD)]
Token = Annotated[str | None, Field(max_length=MAX_TOKEN), AfterValidator(_sealed), _secret(MAX_TOKEN)]
Wished = Annotated[DesiredState, Field(strict=False)]


class NewMeasurement(Shape):
    """One quantity to read; what the model's catalogue knows may be left out. Also taken: its name alone as a text."""

    measurement_name: Text = Field(description="Also taken as `name` or `key`.")
    obis_code: Text = absent()
    class_id: int = absent(alias="class", ge=-EXACT, le=EXACT)
    attribute: int = absent(ge=-EXACT, le=EXACT)
    enabled: bool = absent()
    sampling_interval: float | None = absent(ge=-EXACT, le=EXACT, description="Seconds; null: the meter's.")
    tb_key: Text = absent(description="The key in the payload, if not the name.")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: object) -> object:
        if isinstance(data, str):
            return {"measurement_name": data}
        if not isinstance(data, dict):
            return data
        return {"measurement_name" if name in _ALIASES else name: value for name, value in data.items()}


Measurements = Annotated[list[Annotated[NewMeasurement, _OrName()]], Field(max_length=MAX_LIST)]
Limits = Annotated[dict[Text, float], Field(max_length=MAX_LIST)]


class _Fields(Shape):
    """Everything that may be said of a meter."""

    name: Name = absent()
    ip_address: Host = absent()
    port: Port = absent()
    transport: Annotated[str, OneOf(TRANSPORTS)] = absent()
    client_id: Annotated[int, _bounds("client_id")] = absent(description="The client's SAP; of HDLC at most 127.")
    server_logical: Annotated[int, _bounds("server_logical")] = absent()
    server_physical: Annotated[int, _bounds("server_physical")] | None = absent()
    address_size: int | None = absent(ge=1, le=4, description="Octets of an HDLC server address: 1, 2, 4 or null.")
    authentication: Annotated[str, OneOf(AUTHENTICATIONS)] = absent()
    password: Password = absent()
    security: Annotated[str, OneOf(SECURITIES)] = absent()
    security_suite: Annotated[int, _bounds("security_suite")] = absent()
    encryption_key: SecretText = absent()
    authentication_key: SecretText = absent()
    client_title: Text = absent()
    server_title: Text = absent()
    dedicated_key: bool = absent()
    general_ciphering: bool = absent()
    referencing: Annotated[str, OneOf(REFERENCINGS)] = absent()
    model: Annotated[str, OneOf(tuple(MODELS))] = absent()
    interval_s: Interval = absent()
    desired_state: Wished = absent()
    line_mode: Annotated[str, OneOf(LINE_MODES)] = absent()
    tb_enabled: bool = absent()
    tb_host: Text = absent()
    tb_port: Annotated[int, _bounds("tb_port")] = absent()
    tb_token: Token = absent()
    tb_device_name: Annotated[str, Field(max_length=MAX_DEVICE_NAME)] = absent()
    limits: Limits = absent(description="Names and numbers of a worker's limits.")
    backfill: bool = absent()
    load_profile: Text = absent(description="An OBIS code; empty: the model's.")
    measurements: Measurements = absent(min_length=1, max_length=MAX_MEASUREMENTS)
    id: Passed
    uid: Passed
    revision: Passed
    created_at: Passed
    updated_at: Passed
    password_set: Passed
    encryption_key_set: Passed
    authentication_key_set: Passed
    tb_token_set: Passed
    state: Passed


class MeterChange(_Fields):
    """A meter's fields that are to change; what is left out stays."""


class NewMeter(_Fields):
    """A whole meter; what is left out follows from its model, and secrets left out stay what they are."""

    name: Name
    ip_address: Host


READ_ONLY: Final = frozenset(
    name for name, field in _Fields.model_fields.items() if field.json_schema_extra == {"readOnly": True}
)


class MeterPath(Query):
    """Which meter."""

    meter: str = Field(min_length=1, max_length=MAX_NAME, description="Its row id, its uid in hexadecimal, its name.")


class MeterQuery(Page):
    """Which meters."""

    status: MeterState | None = Field(None, description="Only those in this state.")
    name: Word | None = Field(None, description="Only those with this in their names.")


class RemovalQuery(Query):
    """How a meter is removed."""

    purge: Flag | None = Field(None, description="Drop what still waits to be delivered; it is counted as dropped.")


class Measurement(Answer):
    """One quantity that is read."""

    measurement_name: str
    obis_code: str
    class_id: int = Field(alias="class")
    attribute: int
    enabled: bool
    sampling_interval: float | None
    tb_key: str


class State(Answer):
    """What is known of a meter now."""

    status: MeterState
    cause: str
    detail: str
    revision: int
    last_seen: Time | None
    last_error: str
    last_error_at: Time | None
    error_count: int
    process_id: int | None
    serial_number: str
    firmware_version: str
    last_read: Time | None
    last_taken: Time | None
    last_acknowledged: Time | None


class MeterAnswer(Answer):
    """A meter: what is wished of it, who it is, how it is."""

    id: int
    uid: str
    revision: int
    created_at: Time
    updated_at: Time
    name: str
    ip_address: str
    port: int
    transport: str
    client_id: int
    server_logical: int
    server_physical: int | None
    address_size: int | None
    authentication: str
    security: str
    security_suite: int
    client_title: str
    server_title: str
    dedicated_key: bool
    general_ciphering: bool
    referencing: str
    model: str
    interval_s: float
    desired_state: DesiredState
    line_mode: str
    tb_enabled: bool
    tb_host: str
    tb_port: int
    tb_device_name: str
    limits: dict[str, float]
    backfill: bool
    load_profile: str
    measurements: list[Measurement]
    password_set: bool
    encryption_key_set: bool
    authentication_key_set: bool
    tb_token_set: bool
    state: State


class MeterPage(Answer):
    """A page of meters."""

    items: list[MeterAnswer]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class Ages(Answer):
    """How old what a meter last did is, in seconds."""

    read_s: float | None
    taken_s: float | None
    acknowledged_s: float | None


class Latest(Answer):
    """A meter's last reading."""

    at: Time
    epoch: str
    seq: int
    values: dict[str, float | int | str | bool | None]
    units: dict[str, str]
    quality: list[str]
    failed: dict[str, str]


class MeterStatus(State):
    """A meter's state, its three ages, its latest values."""

    meter_id: int
    uid: str
    name: str
    desired_state: DesiredState
    wished_revision: int
    ages: Ages
    facts: dict[str, str]
    latest: Latest | None


class ModelMeasurement(Answer):
    """What a model can be asked."""

    measurement_name: str
    obis_code: str
    class_id: int = Field(alias="class")
    unit: str


class ModelAnswer(Answer):
    """A family of meters, and what follows from it."""

    name: str
    transport: str
    port: int
    client_id: int
    server_logical: int
    server_physical: int | None
    address_size: int | None
    authentication: str
    referencing: str
    reading: str
    measurements: list[ModelMeasurement]


class ModelList(Answer):
    """The catalogue."""

    items: list[ModelAnswer]
