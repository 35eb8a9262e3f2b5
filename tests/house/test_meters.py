"""docs/METERS.md is what the catalogue says."""

from pathlib import Path

from common.catalogue import MODELS
from tests.house.meters import document

DOCUMENT = Path(__file__).parents[2] / "docs" / "METERS.md"


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "make meters"


def test_the_document_has_every_model_once() -> None:
    lines = document().splitlines()
    assert [line for line in lines if line.startswith("## ")] == [f"## {each.about.title}" for each in MODELS.values()]
