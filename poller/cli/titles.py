"""System titles as they are typed: 16 hexadecimal digits, or 8 characters. A text in, octets or BadKeys out."""

from typing import Final

from poller.dlms.security import TITLE_OCTETS
from poller.keys import system_title

_QUOTE: Final = '"'


def title(text: str) -> bytes:
    """Return a system title; empty when there is none."""
    if len(text) == TITLE_OCTETS and not text.startswith(_QUOTE):
        return system_title(f"{_QUOTE}{text}{_QUOTE}")
    return system_title(text) if text else b""
