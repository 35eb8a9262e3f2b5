"""What the worker file says of a meter, in the words of the protocol: a file in, a Profile or a Hopeless error out.

Passwords are octets of UTF-8: meters take ASCII.
"""

import json

from common.worker_file import WorkerFile
from poller.dlms.conversation import Mechanism, Profile, Transport


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
    )


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
    )
    return json.dumps(parts).encode()
