"""Secrets at rest: AES-256-GCM under the installation's master key, each bound to the row and field it belongs to.

In: a ``Secret``, the uid of its meter and the name of its field. Out: octets for the store (1 octet version, 12 nonce,
then ciphertext and tag), and back. A sealed text moved to another meter or field does not open. The key lies in a file
of mode 0400; no other module reads it.

While the key is being changed (``common.master_key``) there are two: everything is sealed under the one in force, and
what was sealed under the one before still opens; which of them it was, the tag tells. A vault that was loaded from a
file follows it: nobody has to be started anew.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.errors import Hopeless
from common.files import sync
from common.secret import Secret

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12  # NIST SP 800-38D, 8.2: 96 bits, random; far from 2^32 seals under one key
VERSION: Final = b"\x01"
MAX_KEYS: Final = 3  # that a process remembers: the one in force, the one before, and one more that it began with
MAX_SECRET: Final = 4096  # octets; the longest is a token
Identity = tuple[int, int, int]
"""Device, inode, when it was written: the inode of a key that was destroyed is that of a later one."""


class BadKey(Hopeless):
    """The master key is missing, not 32 octets, or open to other users."""


class Unsealable(Hopeless):
    """What the store holds does not open with this key for this meter and field."""


class Vault:
    """Seals and opens secrets: seals with one key, opens with that and with those before it."""

    def __init__(self, key: bytes, *before: bytes) -> None:
        self._keys = _checked((key, *before))
        self._ciphers = tuple(map(AESGCM, self._keys))
        self._path: Path | None = None
        self._seen: Identity | None = None

    @classmethod
    def create(cls, path: Path) -> "Vault":
        """Make a key file unless there is one (then it is loaded); raise BadKey."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(handle, "wb") as stream:
            stream.write(os.urandom(KEY_SIZE))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            path.hardlink_to(draft)  # fails when another process was first: never two keys
        except FileExistsError:
            return cls.load(path)
        finally:
            draft.unlink()
        sync(path.parent)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "Vault":
        """Read the key file, and the one of the key before where a change is not finished; raise BadKey."""
        key, seen = read_key(path)
        vault = cls(key, *_before(path))
        vault._path, vault._seen = path, seen
        return vault

    @property
    def key_id(self) -> str:
        """What tells the key in force from others, and nothing about it."""
        return key_id(self._keys[0])

    def seal(self, uid: bytes, field: str, secret: Secret) -> bytes:
        """Return the octets to store; an empty secret is no octets.

        To be called inside the transaction that stores them: a change of the key, which waits for it, finds them.
        """
        text = secret.reveal().encode()
        if not text:
            return b""
        if len(text) > MAX_SECRET:
            raise Unsealable(f"{field}: a secret of {len(text)} octets is longer than {MAX_SECRET}")
        self._follow()
        nonce = os.urandom(NONCE_SIZE)
        return VERSION + nonce + self._ciphers[0].encrypt(nonce, text, _bound_to(uid, field))

    def open(self, uid: bytes, field: str, sealed: bytes) -> Secret:
        """Return the secret; raise Unsealable when it was not sealed with our keys for this uid and field."""
        return self._open(uid, field, sealed)[0]

    def resealed(self, uid: bytes, field: str, sealed: bytes) -> bytes | None:
        """Return what was sealed under a key before, sealed under the one in force; None where it is already.

        Raise Unsealable.
        """
        secret, number = self._open(uid, field, sealed)
        return self.seal(uid, field, secret) if number else None

    def _open(self, uid: bytes, field: str, sealed: bytes) -> tuple[Secret, int]:
        if not sealed:
            return Secret(""), 0
        if sealed[:1] != VERSION:
            raise Unsealable(f"{field}: sealed in a form that is not known")
        found = self._tried(uid, field, sealed)
        if found is None and self._follow():
            found = self._tried(uid, field, sealed)
        if found is None:
            raise Unsealable(f"{field} of meter {uid.hex()} does not open with this master key")
        return found

    def _tried(self, uid: bytes, field: str, sealed: bytes) -> tuple[Secret, int] | None:
        nonce, body = sealed[1 : 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :]
        for number, cipher in enumerate(self._ciphers):
            try:
                return Secret(cipher.decrypt(nonce, body, _bound_to(uid, field)).decode()), number
            except (InvalidTag, ValueError):
                continue
        return None

    def _follow(self) -> bool:
        """Read the key file again if it is another one; keys that are known stay known: a reader may still be at it."""
        if self._path is None or _identity(self._path) in {None, self._seen}:
            return False
        try:
            key, seen = read_key(self._path)
            before = _before(self._path)
        except BadKey:
            return False  # whoever starts anew says so; here goes on what can
        self._seen, self._keys = seen, tuple(dict.fromkeys((key, *before, *self._keys)))[:MAX_KEYS]
        self._ciphers = tuple(map(AESGCM, self._keys))
        return True


def key_id(key: bytes) -> str:
    """Return what tells a key from others, and nothing about it."""
    return hashlib.sha256(b"dlms-bridge master key\0" + key).hexdigest()[:16]


def read_key(path: Path) -> tuple[bytes, Identity]:
    """Return a key, and which file it was read from; raise BadKey."""
    try:
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            key = stream.read(KEY_SIZE + 1)
    except OSError as error:
        raise BadKey(f"{path}: {error.strerror}; `meterctl init` makes it once") from None
    if status.st_mode & 0o077:
        raise BadKey(f"{path}: open to other users (mode {status.st_mode & 0o777:03o}); chmod 0400")
    return _checked((key,))[0], _identity_of(status)


def previous_path(path: Path) -> Path:
    """Return where the key before lies while a change is not finished."""
    return path.with_name(f"{path.name}.previous")


def _before(path: Path) -> tuple[bytes, ...]:
    try:
        return (read_key(previous_path(path))[0],)
    except BadKey as error:
        if isinstance(error.__context__, FileNotFoundError):
            return ()  # no change is under way, or it has just ended
        raise


def _identity(path: Path) -> Identity | None:
    try:
        return _identity_of(path.stat())
    except OSError:
        return None


def _identity_of(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _checked(keys: tuple[bytes, ...]) -> tuple[bytes, ...]:
    for key in keys:
        if len(key) != KEY_SIZE:
            raise BadKey(f"a master key has {KEY_SIZE} octets, not {len(key)}")
    return keys


def _bound_to(uid: bytes, field: str) -> bytes:
    return uid + b"\x00" + field.encode()
