"""The record of a refused password: kept beside the journal, so that no restart starts hammering the meter anew.

In: what the meter was asked with, and when it refused. Out: how many refusals those credentials already have, and how
long the next try has to wait. The record holds a salted, slow hash, never the password.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.clock import Clock
from common.files import write_atomically
from common.json_record import BadFile, Record

FILE_NAME: Final = "refusal.json"
ROUNDS: Final = 100_000  # of PBKDF2: eight digits shall not fall out of the file in seconds; about 50 ms a time
_SALT_OCTETS: Final = 16
_MAX_REFUSALS: Final = 1 << 30

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Credentials that were refused ``count`` times, at last at this time of this boot of the kernel."""

    salt: bytes
    digest: bytes
    count: int
    boot: bytes
    boot_ms: int
    wall_ms: int


class RefusalRecord:
    """The one record of one meter. ``boot`` names the kernel's boot, as the journal does."""

    def __init__(self, directory: Path, clock: Clock, boot: bytes) -> None:
        self._path = directory / FILE_NAME
        self._clock = clock
        self._boot = boot

    def count(self, credentials: bytes) -> int:
        """Return how often these credentials were refused without a success since."""
        refusal = self._load()
        return refusal.count if refusal and _digest(credentials, refusal.salt) == refusal.digest else 0

    def age_s(self) -> float:
        """Return the seconds since the last refusal; 0 where the wall clock went back between two boots."""
        refusal = self._load()
        if refusal is None:
            return 0.0
        if refusal.boot == self._boot:
            return (self._clock.boottime_ms() - refusal.boot_ms) / 1000
        return max(0, self._clock.wall_ms() - refusal.wall_ms) / 1000

    def note(self, credentials: bytes, count: int) -> None:
        """Write down the refusal number ``count`` of these credentials; a full disk is no reason to stop."""
        salt = os.urandom(_SALT_OCTETS)
        values = {
            "salt": salt.hex(),
            "digest": _digest(credentials, salt).hex(),
            "count": count,
            "boot": self._boot.hex(),
            "boot_ms": self._clock.boottime_ms(),
            "wall_ms": self._clock.wall_ms(),
        }
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(values).encode())
        except OSError as error:
            log.warning("the refusal cannot be written down, a restart may try once more: %s", error)

    def clear(self) -> None:
        """The meter let us in: forget."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the record of a refusal cannot be removed: %s", error)

    def _load(self) -> Refusal | None:
        if not self._path.exists():
            return None
        try:
            record = Record.load(self._path)
            return Refusal(
                record.octets("salt", _SALT_OCTETS),
                record.octets("digest", 32),
                record.whole("count", 0, _MAX_REFUSALS),
                record.octets("boot", len(self._boot)),
                record.whole("boot_ms", 0, 2**53),
                record.whole("wall_ms", 0, 2**53),
            )
        except BadFile:
            return None


def _digest(credentials: bytes, salt: bytes) -> bytes:
    """Return PBKDF2-HMAC-SHA256; imported here because OpenSSL costs memory that a healthy worker does not need."""
    from hashlib import pbkdf2_hmac

    return pbkdf2_hmac("sha256", credentials, salt, ROUNDS)
