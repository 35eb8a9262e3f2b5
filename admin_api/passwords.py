"""Passwords: argon2id, hashed for a small machine, compared in the same time whether or not there is such a user.

In: a password, a hash or none. Out: a hash, or whether they belong together. Hashing takes memory and a processor: at
most AT_ONCE are made in one process; whoever comes beyond that is told to come again, so that others are answered.
"""

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from common.errors import Again
from common.secret import Secret
from common.store.errors import BadWish

MEMORY_KIB: Final = 19_456
PASSES: Final = 2
LANES: Final = 1
"""OWASP's least for argon2id: 19 MiB, 2 passes, 1 lane; 30 ms here, some 150 ms on the small boards that this runs on.
With RFC 9106's 64 MiB four logins at once would take half of such a board's memory."""
AT_ONCE: Final = 2  # of one process; a third waits for nobody
SHORTEST: Final = 12  # characters; NIST SP 800-63B asks for length alone, no rules of what kind
LONGEST: Final = 256  # characters; nobody types more, and nobody's request makes us hash a book
DUMMY: Final = "$argon2id$v=19$m=19456,t=2,p=1$ORBk1ZYRBWy9GjRWeHkIuw$Pmd7BkJPO3FFVOYuF2xOMDBENqiPnI/EDFMFcQTmrXs"
"""What a password of nobody is compared with: as costly as any, and equal to none."""

_hasher: Final = PasswordHasher(
    time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID
)
_busy: Final = BoundedSemaphore(AT_ONCE)


class TooManyLogins(Again):
    """As many passwords are being compared as may be at once."""


def checked(password: Secret) -> Secret:
    """Return a new password; raise BadWish when it is too short or too long."""
    text = password.reveal()
    if not SHORTEST <= len(text) <= LONGEST:
        raise BadWish("password", f"{SHORTEST} to {LONGEST} characters; length is what counts, a sentence is good")
    return password


def hashed(password: Secret) -> str:
    """Return the hash of a password; raise TooManyLogins."""
    with _turn():
        return _hasher.hash(_normal(password))


def belongs(password: Secret, kept: str | None) -> bool:
    """Return whether a hash is that of a password; None takes as long as any. Raise TooManyLogins."""
    if len(password.reveal()) > LONGEST:
        password = Secret("")
    with _turn():
        try:
            matches = _hasher.verify(kept or DUMMY, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return matches and kept is not None


def is_outdated(kept: str) -> bool:
    """Return whether a hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(kept)


def _normal(password: Secret) -> str:
    return unicodedata.normalize("NFKC", password.reveal())


@contextmanager
def _turn() -> Iterator[None]:
    if not _busy.acquire(blocking=False):
        raise TooManyLogins("too many people log in just now")
    try:
        yield
    finally:
        _busy.release()
