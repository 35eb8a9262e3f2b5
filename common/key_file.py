"""Key material of one meter from a file, for whoever sets a meter up: the command line on both sides.

In: a file of lines ``name = value``, open to its owner alone. Out: octets by name, or BadKeys that names file, line and
field and never shows what stands there. A value is ``hex:`` and digits, or text in double quotes; a key may also be its
32 digits alone. ``#`` begins a comment line::

    encryption_key = 000102030405060708090a0b0c0d0e0f
    authentication_key = hex:d0d1d2d3d4d5d6d7d8d9dadbdcdddedf
    password = "22222222"
"""

import os
import stat
from pathlib import Path
from typing import Final

from common.errors import Hopeless
from common.meter_words import KEY_OCTETS, TITLE_OCTETS

MAX_FILE: Final = 4096
"""Octets of a keys file: five fields and a page of comments."""
MAX_SECRET: Final = 255
"""Octets of a password, which an AARQ carries behind a length."""
KEY_FIELDS: Final = ("encryption_key", "authentication_key", "broadcast_key")
SECRET_FIELDS: Final = ("password", "hls_secret")
_NAMES: Final = (*KEY_FIELDS, *SECRET_FIELDS)
_HEX: Final = "hex:"


class BadKeys(Hopeless):
    """A keys file that cannot be read, is open to others, or has a field that cannot be."""


def load_key_file(path: Path) -> dict[str, bytes]:
    """Return what a keys file holds, by name; raise BadKeys."""
    found: dict[str, bytes] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or name.startswith("#"):
            continue
        where = f"{path}, line {number}"
        if not equals or name not in _NAMES:
            raise BadKeys(f"{where}: expected one of {', '.join(_NAMES)}, then = and a value")
        if name in found:
            raise BadKeys(f"{where}: {name} stands there twice")
        found[name] = _octets(where, name, value)
    return found


def system_title(text: str) -> bytes:
    """Return a system title from 16 hexadecimal digits, 8 characters, or nothing; raise BadKeys."""
    bare = _quoted(text) or text.encode()
    octets = bare if len(bare) == TITLE_OCTETS else _digits(text.removeprefix(_HEX))
    if text and len(octets or b"") != TITLE_OCTETS:
        raise BadKeys(f"a system title has {2 * TITLE_OCTETS} hexadecimal digits, or {TITLE_OCTETS} characters")
    return octets or b""


def _text(path: Path) -> str:
    """Return a file's content; refuse one that others may read, and decide that of the file that is read."""
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            content = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise BadKeys(f"{path}: {error.strerror}") from None
    if mode & 0o077:
        raise BadKeys(f"{path}: open to other users (mode {mode:03o}); chmod 0600")
    if len(content) > MAX_FILE:
        raise BadKeys(f"{path}: longer than {MAX_FILE} octets")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadKeys(f"{path}: not a text in UTF-8") from None


def _octets(where: str, name: str, value: str) -> bytes:
    if name in KEY_FIELDS and not value.startswith('"'):
        return _key(where, name, value.removeprefix(_HEX))
    octets = _digits(value.removeprefix(_HEX)) if value.startswith(_HEX) else _quoted(value)
    if octets is None:
        raise BadKeys(f"{where}: {name} needs {_HEX} and digits, or text in double quotes")
    if name in KEY_FIELDS and len(octets) != KEY_OCTETS:
        raise BadKeys(f"{where}: {name} has {len(octets)} octets, {KEY_OCTETS} are needed")
    return _secret(where, name, octets)


def _key(where: str, name: str, digits: str) -> bytes:
    octets = _digits(digits)
    if octets is None or len(octets) != KEY_OCTETS:
        raise BadKeys(f"{where}: {name} needs {2 * KEY_OCTETS} hexadecimal digits")
    return octets


def _secret(where: str, name: str, octets: bytes) -> bytes:
    if len(octets) > MAX_SECRET:
        raise BadKeys(f"{where}: {name} is longer than {MAX_SECRET} octets")
    return octets


def _digits(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _quoted(text: str) -> bytes | None:
    """Return what stands between double quotes, which may contain any others."""
    return text[1:-1].encode() if len(text) >= 2 and text[0] == text[-1] == '"' else None
