"""Secrets at rest: AES-256-GCM under the installation's master key, each bound to the row and field it belongs to.

In: a ``Secret``, the uid of its meter and the name of its field. Out: octets for the store (1 octet version, 12 nonce,
then ciphertext and tag), and back. A sealed text moved to another meter or field does not open. The key lies in a file
of mode 0400; no other module reads it.
"""

import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from common.errors import Hopeless
from common.secret import Secret

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12  # NIST SP 800-38D, 8.2: 96 bits, random; far from 2^32 seals under one key
VERSION: Final = b"\x01"
MAX_SECRET: Final = 4096  # octets; the longest is a token


class BadKey(Hopeless):
    """The master key is missing, not 32 octets, or open to other users."""


class Unsealable(Hopeless):
    """What the store holds does not open with this key for this meter and field."""


class Vault:
    """Seals and opens secrets with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise BadKey(f"a master key has {KEY_SIZE} octets, not {len(key)}")
        self._cipher = AESGCM(key)

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
        _sync_directory(path.parent)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "Vault":
        """Read the key file; raise BadKey."""
        try:
            mode = path.stat().st_mode
            key = path.read_bytes()
        except OSError as error:
            raise BadKey(f"{path}: {error.strerror}; `meterctl init` makes it once") from None
        if mode & 0o077:
            raise BadKey(f"{path}: open to other users (mode {mode & 0o777:03o}); chmod 0400")
        return cls(key)

    def seal(self, uid: bytes, field: str, secret: Secret) -> bytes:
        """Return the octets to store; an empty secret is no octets."""
        text = secret.reveal().encode()
        if not text:
            return b""
        if len(text) > MAX_SECRET:
            raise Unsealable(f"{field}: a secret of {len(text)} octets is longer than {MAX_SECRET}")
        nonce = os.urandom(NONCE_SIZE)
        return VERSION + nonce + self._cipher.encrypt(nonce, text, _bound_to(uid, field))

    def open(self, uid: bytes, field: str, sealed: bytes) -> Secret:
        """Return the secret; raise Unsealable when it was not sealed with this key for this uid and field."""
        if not sealed:
            return Secret("")
        version, nonce, body = sealed[:1], sealed[1 : 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :]
        try:
            if version != VERSION:
                raise Unsealable(f"{field}: sealed in a form that is not known")
            return Secret(self._cipher.decrypt(nonce, body, _bound_to(uid, field)).decode())
        except (InvalidTag, ValueError):
            raise Unsealable(f"{field} of meter {uid.hex()} does not open with this master key") from None


def _bound_to(uid: bytes, field: str) -> bytes:
    return uid + b"\x00" + field.encode()


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
