"""What changes something at a meter: which object, and what is to become of it."""

from typing import Annotated, Final

from admin_api.schemas.commands import COMMAND_S, MAX_COMMAND_S
from admin_api.schemas.shape import Field, OneOf, Shape, absent

MAX_VALUE: Final = 4096  # characters: an image block fits, an image does not
OPERATIONS: Final = ("disconnect", "reconnect")

Code = Annotated[str, Field(min_length=1, max_length=32, description="An OBIS code: 0-0:96.3.10.")]
Class = Annotated[int, Field(ge=0, le=65_535)]
Member = Annotated[int, Field(ge=-128, le=127)]
Typed = Annotated[
    str,
    Field(
        max_length=MAX_VALUE,
        pattern="^[a-z0-9-]+:",
        description="TYPE:VALUE as of `meterctl set`: uint32:5, enum:1, octet-string:0102, boolean:true.",
        json_schema_extra={"x-expected": "TYPE:VALUE"},
    ),
]
Seconds = Annotated[float, Field(ge=1, le=MAX_COMMAND_S, description="Until it expires unsent.")]


class NewSetting(Shape):
    """An attribute to be written."""

    class_id: Class = Field(alias="class")
    obis: Code
    attribute: Member
    value: Typed
    timeout_s: Seconds = COMMAND_S


class NewAction(Shape):
    """A method to be invoked."""

    class_id: Class = Field(alias="class")
    obis: Code
    method: Member
    value: Typed = absent(description="Its parameters, TYPE:VALUE; many methods take int8:0.")
    timeout_s: Seconds = COMMAND_S


class NewSwitching(Shape):
    """A supply to be cut or restored."""

    operation: Annotated[str, OneOf(OPERATIONS)]
    obis: Code = absent(description="Of the disconnect control; 0-0:96.3.10.")
    timeout_s: Seconds = COMMAND_S
