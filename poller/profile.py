"""What the worker file says of a meter, in the words of the protocol: a file in, a Profile or a Hopeless error out.

Passwords are octets of UTF-8: meters take ASCII.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from common.worker_file import WorkerFile
from poller.dlms.conversation import Mechanism, Profile, Referencing, Transport
from poller.dlms.errors import BadParameter
from poller.dlms.security import Security, SecuritySettings

if TYPE_CHECKING:
    from poller.invocation import DeferredCounter


def profile_of(file: WorkerFile) -> Profile:
    """Return the profile of a meter; raise BadAddress or BadParameter."""
    return Profile(
        transport=Transport(file.transport),
        client_id=file.client_id,
        server_logical=file.server_logical,
        server_physical=file.server_physical,
        address_size=file.address_size,
        mechanism=Mechanism(file.authentication),
        secret=file.password.reveal().encode() if file.authentication != Mechanism.NONE else b"",
        security=_security(file),
        referencing=Referencing(file.referencing),
    )


def source_of(file: WorkerFile, profile: Profile) -> "DeferredCounter | None":
    """Return where challenges and invocation counters come from; None where the association needs neither."""
    if not profile.security.protects and not profile.mechanism.high_level:
        return None
    from poller.invocation import DeferredCounter  # hashlib and what it brings: workers without security do without

    return DeferredCounter(Path(file.counter_dir), profile.security)


def _security(file: WorkerFile) -> SecuritySettings:
    return SecuritySettings(
        level=Security(file.security),
        suite=file.security_suite,
        client_title=_octets("client_title", file.client_title),
        encryption_key=_octets("encryption_key", file.encryption_key.reveal()),
        authentication_key=_octets("authentication_key", file.authentication_key.reveal()),
        server_title=_octets("server_title", file.server_title),
        dedicated=file.dedicated_key,
        general=file.general_ciphering,
    )


def _octets(name: str, digits: str) -> bytes:
    """Return hexadecimal digits as octets; what is refused may be a key and is not shown."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise BadParameter(f"{name} is not hexadecimal") from None


def credentials_of(file: WorkerFile) -> bytes:
    """Return octets that change with anything that makes another try at a refused association worth making."""
    parts = (
        file.host,
        file.port,
        file.transport,
        file.client_id,
        file.server_logical,
        file.server_physical,
        file.address_size,
        file.authentication,
        file.password.reveal(),
        file.security,
        file.security_suite,
        file.encryption_key.reveal(),
        file.authentication_key.reveal(),
        file.client_title,
        file.server_title,
        file.dedicated_key,
        file.general_ciphering,
        file.referencing,
    )
    return json.dumps(parts).encode()
