"""Items of ``meterctl read`` and how answers are shown."""

import pytest

from common.catalogue import MODELS
from common.errors import BridgeError
from common.obis import BadObis, Obis
from poller.cli.items import BadItem, Result, parse_item, unit_text, value_of
from poller.dlms.cosem import AttributeRef, ScalerUnit
from poller.dlms.data import BitString, Data, DataType, Date
from poller.dlms.errors import ObjectUndefined
from poller.typed import raw_of

ENERGY = AttributeRef(3, Obis(1, 1, 1, 8, 0), 2)


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("1-1:1.8.0", ENERGY),
        ("1.1.1.8.0.255", ENERGY),
        ("3/1-1:1.8.0", ENERGY),
        ("3/1-1:1.8.0/2", ENERGY),
        ("1-1:1.8.0/3", AttributeRef(3, Obis(1, 1, 1, 8, 0), 3)),
        ("8/0-0:1.0.0", AttributeRef(8, Obis(0, 0, 1, 0, 0), 2)),
        ("1-0:1.8.0*7", AttributeRef(3, Obis(1, 0, 1, 8, 0, 7), 2)),
        ("15/0-0:40.0.0/-1", AttributeRef(15, Obis(0, 0, 40, 0, 0), -1)),
    ],
)
def test_items(text: str, ref: AttributeRef) -> None:
    assert parse_item(text, None) == ref


def test_a_model_completes_short_codes() -> None:
    assert parse_item("1.8.0", MODELS["microstar"]) == ENERGY
    assert parse_item("1.8.0", MODELS["generic"]).obis.b == 0


@pytest.mark.parametrize(
    "text", ["", "/", "//", "3/", "a/1-1:1.8.0", "1-1:1.8.0/a", "1-1:1.8.0/128", "1/2/1-1:1.8.0", "3/1-1:1.8.0/2/"]
)
def test_bad_items(text: str) -> None:
    with pytest.raises(BadItem):
        parse_item(text, None)


@pytest.mark.parametrize("text", ["1.8.0", "1-1:1.8", "1-1:1.8.256", "1-1:1.8.0*", "१-1:1.8.0", "." * 1000])
def test_bad_codes(text: str) -> None:
    with pytest.raises(BadObis):
        parse_item(text, None)


@pytest.mark.parametrize(
    ("raw", "scaler", "value"),
    [
        (13_130, -2, "131.30"),
        (12, 3, "12000"),
        (0, -3, "0.000"),
        (-5, -1, "-0.5"),
        (2**64 - 1, 0, str(2**64 - 1)),
        (7, -20, "0.00000000000000000007"),
    ],
)
def test_values_are_exact_decimals_in_plain_notation(raw: int, scaler: int, value: str) -> None:
    assert value_of(Data(DataType.INT64, raw), ScalerUnit(scaler, 30)) == value


def test_values_and_raws_of_every_kind() -> None:
    octets = Data(DataType.OCTET_STRING, b"SIM")
    assert (value_of(octets, None), raw_of(octets)) == ("SIM", "53494d")
    bits = Data(DataType.BIT_STRING, BitString(b"\xa0", 3))
    assert (value_of(bits, None), raw_of(bits)) == ("101", "101")
    nested = Data(DataType.STRUCTURE, (octets, Data(DataType.ARRAY, (Data(DataType.NULL, None),))))
    assert (value_of(nested, None), raw_of(nested)) == (None, ["53494d", [None]])
    yes = Data(DataType.BOOLEAN, True)
    assert (value_of(yes, None), raw_of(yes)) == (True, True)
    day = Data(DataType.DATE, Date(2026, 11, 21, 6))
    assert (value_of(day, None), raw_of(day)) == ("2026-11-21", "07ea0b1506")
    assert raw_of(Data(DataType.FLOAT64, float("inf"))) == "inf"
    assert value_of(Data(DataType.NULL, None), None) is None


@pytest.mark.parametrize(("code", "text"), [(35, "V"), (27, "W"), (255, None), (254, None), (200, "200")])
def test_units(code: int, text: str | None) -> None:
    assert unit_text(code) == text


def test_results_have_exactly_the_fields_that_were_promised() -> None:
    good = Result(ENERGY, Data(DataType.UINT32, 5), ScalerUnit(0, 30)).to_json()
    assert good == {"obis": "1-1:1.8.0", "class": 3, "value": "5", "raw": 5, "scaler": 0, "unit": "Wh"}
    error: BridgeError = ObjectUndefined("object-undefined (4)")
    assert Result(ENERGY, error).to_json() == {
        "obis": "1-1:1.8.0",
        "class": 3,
        "error": {"kind": "object_undefined", "detail": "object-undefined (4)"},
    }
