"""Whose meter it may be: the manufacturer's identification at the head of a logical device name, to a model's name.

In: a logical device name (IEC 62056-6-2: three letters of the maker, then whatever it likes), how the meter was
reached. Out: the letters, and a guess that a person checks. Pure.
"""

from collections.abc import Mapping
from typing import Final

from poller.dlms.profile import Transport

LETTERS: Final = 3
MODELS: Final[Mapping[str, str]] = {
    "ACE": "itron",
    "AID": "aidon",
    "GRX": "gurux-reference",
    "ISK": "iskraemeco",
    "ITR": "itron",
    "KAM": "kamstrup-omnipower",
    "LGZ": "landis-gyr",
}
"""Identifications of makers whose meters the catalogue knows."""
ANY: Final[Mapping[Transport, str]] = {Transport.HDLC: "generic", Transport.WRAPPER: "generic-wrapper"}


def manufacturer(name: str) -> str:
    """Return the three letters; empty where the name has none."""
    letters = name[:LETTERS]
    return letters.upper() if len(letters) == LETTERS and letters.isascii() and letters.isalpha() else ""


def model_guess(letters: str, transport: Transport) -> str:
    """Return the model to begin with; any model of the transport where the maker is not known."""
    return MODELS.get(letters, ANY[transport])
