"""Every hint belongs to an error that exists; an error has the hint of its kind, or that of its family."""

import re
from pathlib import Path

from common.errors import BridgeError
from common.hints import HINTS, hint
from poller.errors import ConnectRefused

ROOT = Path(__file__).parents[2]
FAMILIES = "Again|Skip|Relink|Reassociate|Barred|Hopeless|AccessDenied"


def _kinds() -> set[str]:
    """Return the kinds of all leaves, from the sources: to import them all takes seconds."""
    leaf = re.compile(rf"^class (\w+)\((?:{FAMILIES})\)", re.MULTILINE)
    texts = (
        path.read_text(encoding="utf-8")
        for package in ("common", "poller", "admin_api")
        for path in (ROOT / package).rglob("*.py")
    )
    return {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for text in texts for name in leaf.findall(text)}


def test_no_hint_is_of_an_error_that_is_none() -> None:
    assert set(HINTS) - _kinds() == set()


def test_an_error_has_the_hint_of_its_kind_or_its_family() -> None:
    class Closer(ConnectRefused):
        """A leaf of a leaf."""

    assert hint(ConnectRefused("x")) == HINTS["connect_refused"] == hint(Closer("x"))
    assert hint(BridgeError("x")) == ""
