"""Keys of one meter in the words of the protocol: a keys file in, security settings and the secret of a mechanism out.

What a keys file looks like, and what is refused of it, is ``common.key_file``'s.
"""

from dataclasses import dataclass, field
from pathlib import Path

from common.key_file import load_key_file
from poller.dlms.association import Mechanism
from poller.dlms.security import Security, SecuritySettings


@dataclass(frozen=True, slots=True)
class Keys:
    """What proves us and protects APDUs; an empty field is not there. Nothing of it prints."""

    encryption_key: bytes = field(default=b"", repr=False)
    authentication_key: bytes = field(default=b"", repr=False)
    broadcast_key: bytes = field(default=b"", repr=False)
    password: bytes = field(default=b"", repr=False)
    hls_secret: bytes = field(default=b"", repr=False)

    def secret_for(self, mechanism: Mechanism) -> bytes:
        """Return the password, or the secret of HLS; where only one of them is there, that one."""
        if mechanism.high_level:
            return self.hls_secret or self.password
        return self.password if mechanism is Mechanism.LLS else b""

    def security(
        self,
        level: Security,
        client_title: bytes = b"",
        *,
        server_title: bytes = b"",
        suite: int = 0,
        dedicated: bool = False,
        general: bool = False,
    ) -> SecuritySettings:
        """Return the settings that these keys make; raise BadParameter when they cannot be."""
        return SecuritySettings(
            level=level,
            suite=suite,
            client_title=client_title,
            encryption_key=self.encryption_key,
            authentication_key=self.authentication_key,
            broadcast_key=self.broadcast_key,
            server_title=server_title,
            dedicated=dedicated,
            general=general,
        )


def load_keys(path: Path) -> Keys:
    """Read a keys file; raise BadKeys."""
    return Keys(**load_key_file(path))
