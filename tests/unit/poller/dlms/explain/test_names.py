"""Names of classes and objects."""

import pytest

from common.obis import Obis
from poller.dlms.explain.names import class_name, named, object_name


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("0-0:1.0.0", "clock"),
        ("0-1:96.1.0", "device id 1 (serial number)"),
        ("0-0:96.1.4", "device id"),
        ("0-0:43.1.3", "invocation counter"),
        ("1-0:99.1.0", "load profile 1"),
        ("1-0:0.2.0", "firmware version"),
        ("1-0:1.8.0", "active energy import"),
        ("1-0:1.8.2", "active energy import, tariff 2"),
        ("1-0:1.6.1", "active power import, maximum demand, tariff 1"),
        ("1-0:1.16.3", "active power import, maximum demand 2, tariff 3"),
        ("1-0:2.7.0", "active power export"),
        ("1-0:21.7.0", "active power import L1"),
        ("1-0:32.7.0", "voltage L1"),
        ("1-0:72.7.0", "voltage L3"),
        ("1-0:31.27.0", "current L1, average"),
        ("1-0:91.7.0", "neutral current"),
        ("1-0:13.7.0", "power factor"),
        ("1-0:93.7.0", ""),
        ("1-0:1.99.0", ""),
        ("0-0:200.0.0", ""),
        ("7-0:1.0.0", ""),
    ],
)
def test_a_well_known_object_has_a_name(code: str, name: str) -> None:
    assert object_name(Obis.parse(code)) == name


def test_a_code_is_shown_with_its_name_where_it_has_one() -> None:
    assert named(Obis.parse("0-0:1.0.0")) == "0-0:1.0.0 (clock)"
    assert named(Obis.parse("7-0:1.0.0")) == "7-0:1.0.0"


def test_a_class_has_a_name_or_its_number() -> None:
    assert class_name(3) == "Register"
    assert class_name(8192) == "class 8192"
