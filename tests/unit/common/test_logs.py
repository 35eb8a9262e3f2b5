"""One event is one line, whatever stands in it; and what takes secrets out of it takes no time."""

import logging
import time
from collections.abc import Iterator

import pytest

from common import logs
from common.redaction import redact


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_a_text_of_others_makes_no_event_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()
    logging.getLogger("test").error("GET %s", "/x\n2026-11-22T09:00:00.000Z INFO forged all is well\x1b[2J\u2028é")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("/x\\n2026-11-22T09:00:00.000Z INFO forged all is well\\x1b[2J\\u2028é")


def test_a_secret_with_a_line_break_is_hidden_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()
    logs.hide([b"first\\half\nsecond half"])
    logging.getLogger("test").error("it is %s", "first\\half\nsecond half")
    assert "half" not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["a." * 32_768 + "key", "a+b-" * 16_384 + "token", "://" * 1400 + "key"])
def test_a_long_text_costs_no_time(text: str) -> None:
    began = time.process_time()
    assert redact(text) == text
    assert time.process_time() - began < 2.0


@pytest.mark.parametrize("scheme", ["mqtt", "postgresql+psycopg", "1mqtt", "-x.y", "a" * 100])
def test_whoever_is_in_a_url_is_taken_out(scheme: str) -> None:
    assert "word" not in redact(f"no answer from {scheme}://user:word@host/path")
