"""Captures: written, read, bounded; a bad file is refused with the line that is wrong."""

import io
import json
from pathlib import Path

import pytest

from poller.capture import (
    IN,
    OUT,
    BadCapture,
    Capture,
    Header,
    Piece,
    Recorder,
    parse_capture,
    read_capture,
    write_capture,
)
from tests.support.still_clock import StepClock

HEADER = Header("hdlc", 16, 1, authentication="lls", model="generic")
PIECES = (Piece(0, OUT, b"~abc~"), Piece(12, IN, b"~def~"))


def text_of(capture: Capture) -> str:
    stream = io.StringIO()
    write_capture(stream, capture)
    return stream.getvalue()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text(text_of(Capture(HEADER, PIECES)))
    assert read_capture(path) == Capture(HEADER, PIECES)


def test_a_file_is_a_header_and_a_line_for_each_piece() -> None:
    header, first, second = map(json.loads, text_of(Capture(HEADER, PIECES)).splitlines())
    assert header["capture"] == 1
    assert (header["transport"], header["client_id"], header["model"]) == ("hdlc", 16, "generic")
    assert first == {"ms": 0, "out": b"~abc~".hex()}
    assert second == {"ms": 12, "in": b"~def~".hex()}


GOOD = text_of(Capture(HEADER, PIECES)).splitlines()


def test_a_header_may_leave_out_what_an_address_does_not_have() -> None:
    header = {name: value for name, value in json.loads(GOOD[0]).items() if value is not None}
    assert parse_capture([json.dumps(header)]).header == HEADER


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "capture is empty"),
        (["{"], "line 1: not JSON"),
        (["[" * 100_000], "line 1: not JSON"),
        (["[]"], "line 1: not a JSON object"),
        (["{}"], "line 1: no header of a capture of version 1"),
        ([json.dumps(json.loads(GOOD[0]) | {"capture": 2})], "line 1: no header"),
        ([json.dumps(json.loads(GOOD[0]) | {"transport": "tcp"})], "line 1: 'transport' is hdlc or wrapper expected"),
        ([json.dumps(json.loads(GOOD[0]) | {"model": 1})], "line 1: 'model' is no text"),
        ([json.dumps(json.loads(GOOD[0]) | {"client_id": True})], "line 1: 'client_id' is not a whole number"),
        ([json.dumps(json.loads(GOOD[0]) | {"address_size": -1})], "line 1: 'address_size' is not a whole number"),
        ([GOOD[0], '{"ms": 1}'], "line 2: either 'out' or 'in' is needed"),
        ([GOOD[0], '{"ms": 1, "in": "", "out": ""}'], "line 2: either 'out' or 'in' is needed"),
        ([GOOD[0], GOOD[1], '{"ms": 1, "in": "7x"}'], "line 3: 'in' is not hexadecimal"),
        ([GOOD[0], '{"ms": 1, "in": 7}'], "line 2: 'in' is no text"),
        ([GOOD[0], '{"in": "7e"}'], "line 2: 'ms' is not a whole number"),
        ([GOOD[0], '{"ms": 0, "in": "' + "00" * 200_000 + '"}'], "line 2: longer than 262144 characters"),
    ],
)
def test_a_bad_line_is_named(lines: list[str], reason: str) -> None:
    with pytest.raises(BadCapture) as refusal:
        parse_capture(lines)
    assert reason in refusal.value.detail


def test_a_capture_is_bounded() -> None:
    line = '{"ms": 0, "in": "' + "00" * 65_536 + '"}'
    with pytest.raises(BadCapture) as refusal:
        parse_capture([GOOD[0], *[line] * 257])
    assert "line 258: more than 16777216 octets" in refusal.value.detail


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCapture, match="No such file"):
        read_capture(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(BadCapture, match="is no text"):
        read_capture(tmp_path / "binary")


def test_a_recorder_keeps_what_passes_with_its_time() -> None:
    clock = StepClock()
    recorder = Recorder(clock)
    recorder.tap(OUT, b"a")
    clock.now += 0.0124
    recorder.tap(IN, b"b")
    assert recorder.pieces == [Piece(0, OUT, b"a"), Piece(12, IN, b"b")]


def test_a_full_recorder_keeps_the_beginning_and_counts_the_rest() -> None:
    recorder = Recorder(StepClock(), limit=4)
    for octets in (b"abc", b"de", b"f"):
        recorder.tap(IN, octets)
    assert [piece.octets for piece in recorder.pieces] == [b"abc"]
    assert recorder.dropped == 3
