"""What of a meter is measured and where its readings go: bodies and answers."""

from typing import Annotated

from admin_api.schemas.meters import Interval, Limits, Measurement, Measurements, Token
from admin_api.schemas.shape import Answer, Field, Passed, Shape, Text, Time, absent
from common.store.rules import MAX_DEVICE_NAME, WHOLE


class NewConfiguration(Shape):
    """What a meter is asked for. What is left out stays, but for measurements: they are replaced as a whole."""

    measurements: Measurements
    interval_s: Interval = absent()
    limits: Limits = absent()
    meter_id: Passed
    uid: Passed
    name: Passed
    revision: Passed
    model: Passed


class Configuration(Answer):
    """What a meter is asked for."""

    meter_id: int
    uid: str
    name: str
    revision: int
    model: str
    interval_s: float
    limits: dict[str, float]
    measurements: list[Measurement]


class NewThingsBoard(Shape):
    """A ThingsBoard of a meter's own. What is left out is as in a new meter, but for the token: it stays."""

    tb_enabled: bool = absent(description="True where there is a token.")
    tb_host: Text = absent(description="Empty: the broker of the installation.")
    tb_port: Annotated[int, Field(ge=WHOLE["tb_port"][0], le=WHOLE["tb_port"][1])] = absent()
    tb_token: Token = absent()
    tb_device_name: Annotated[str, Field(max_length=MAX_DEVICE_NAME)] = absent()
    meter_id: Passed
    revision: Passed
    tb_token_set: Passed


class ThingsBoard(Answer):
    """A ThingsBoard of a meter's own."""

    meter_id: int
    revision: int
    tb_enabled: bool
    tb_host: str
    tb_port: int
    tb_token_set: bool
    tb_device_name: str


class ThingsBoardTest(Answer):
    """Whether a broker takes the meter's token."""

    ok: bool
    kind: str = Field(description="accepted, or why not: unreachable, no_answer, refused, tls, not_mqtt.")
    detail: str
    seconds: float
    host: str
    port: int
    at: Time
