"""Initiate services and refusals field by field."""

from poller.dlms.explain.initiate import conformance_words
from tests.support.explaining import lines

TERMS = "065f1f04000000100400"


def test_an_initiate_request_with_everything_is_told() -> None:
    found = lines("01" + "0102aabb" + "0100" + "01fb" + TERMS)
    assert found.count("dedicated-key: present") == 1
    assert "response-allowed: present" in found
    assert "response-allowed: false" in found
    assert "quality-of-service: -5" in found
    assert "proposed-conformance: 000010: get" in found
    assert "client-max-receive-pdu-size: 1024" in found


def test_an_initiate_response_tells_how_objects_are_named() -> None:
    assert lines("0800" + TERMS + "0007")[-1] == "vaa-name: 0007 logical names"
    assert lines("0800" + TERMS + "fa00")[-1] == "vaa-name: fa00 short names"
    assert lines("0800" + TERMS + "1234")[-1] == "vaa-name: 1234"


def test_an_initiate_request_with_nothing_is_told() -> None:
    found = lines("01000000" + TERMS)
    assert found[2:5] == ["dedicated-key: absent", "response-allowed: default: true", "quality-of-service: absent"]


def test_refusals_are_named() -> None:
    assert lines("0e010601")[-1] == "error: initiate: dlms-version-too-low (6,1)"
    assert lines("d80102")[-1] == "service-error: service-not-supported (2)"
    assert lines("d8010600000008")[-1] == "expected invocation counter: 8"


def test_no_conformance_is_nothing() -> None:
    assert conformance_words(0) == "000000: nothing"
