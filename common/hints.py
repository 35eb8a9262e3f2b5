"""What to look at next when something went wrong: one table for every command, whoever met the error.

In: an error, or its ``kind`` as a worker's answer carries it. Out: a sentence for a person, or nothing. Pure.
"""

from collections.abc import Mapping
from typing import Final

from common.errors import BridgeError

_NETWORK: Final = "is the address right, and is there a way through the network to it?"
_SPEAKING: Final = (
    "does the meter speak this --transport, at this --client-id, --server-id and --address-size? "
    "Another client may hold it: many meters serve one at a time"
)
_RIGHTS: Final = "`meterctl objects` shows classes and rights; another --client-id may have more of them"

HINTS: Final[Mapping[str, str]] = {
    # the way to the meter
    "connect_refused": "is the meter's module on, and is this its port?",
    "connect_timeout": _NETWORK,
    "host_unreachable": _NETWORK,
    "name_unresolved": "is the name right? An address works without a name server",
    "line_held": "another process of this machine reads this meter: pause it first (`meterctl pause ID`)",
    "serial_missing": "serial lines need pyserial: pip install 'dlms-bridge[serial]'",
    # the meter
    "reply_timeout": _SPEAKING,
    "link_lost": _SPEAKING,
    "peer_closed": _SPEAKING,
    "peer_reset": _SPEAKING,
    "link_damaged": "is --transport right? A serial line shared with another master looks the same",
    "link_refused": "another client holds the meter: wait for its inactivity timeout, then try again",
    "authentication_failed": (
        "is the password or key that of this --client-id, and --auth what it asks for? Do not try again and again: "
        "meters lock after a few tries"
    ),
    "association_refused": (
        "is --client-id one that the meter knows, with this --security, --referencing and --system-title?"
    ),
    "deciphering_failed": "are the keys this meter's, and --system-title, --server-title and --suite right?",
    "counter_refused": "begin from the meter's own counter with --read-counter",
    "access_denied": _RIGHTS,
    "object_undefined": "`meterctl objects` shows what the meter has",
    "class_inconsistent": "is the class right? `meterctl objects` shows it",
    "type_unmatched": "read the attribute first: `meterctl read --json` shows what type of value it takes",
    "not_negotiated": "the meter did not grant this service; another --client-id may be granted it",
    # this installation
    "nothing_installed": "`meterctl init` prepares a state directory; --state DIR or DLMS_BRIDGE_STATE names another",
    "not_permitted": "run it as the user that owns the state directory: sudo -u USER meterctl …",
    "not_running": "`meterctl run` starts the product; under systemd: systemctl status",
    "no_answer": "`meterctl health` tells who is silent, `meterctl logs ID` what the worker says",
    "no_such_meter": "`meterctl list` shows names, numbers, and with --json uids",
    "no_such_alarm": "`meterctl alarms list --all` shows the numbers",
    "no_such_command": "`meterctl jobs` shows the ids of jobs",
    "no_such_token": "`meterctl token list` shows the numbers",
    "revision_conflict": "somebody changed it meanwhile: look again (`meterctl status ID`), then repeat",
    "line_taken": "if a converter serves both: --line-mode shared on both meters",
    "store_unavailable": "is the disk full, or the database away? The product goes on reading meanwhile",
    "store_damaged": "stop the product and run `meterctl init`: it upgrades, or makes the store anew from its copy",
    "store_too_new": "install the version that made it, or restore the backup that was made before the upgrade",
    "bad_key": "is this the master.key of this store, owned by this user, mode 0400?",
    "unsealable": "is this the master.key of this store? A backup needs the key that it was made under",
    "bad_settings": "docs/OPERATIONS.md lists the settings; `meterctl config check` tries them",
    "port_taken": "another instance, or another program: `ss -ltnp` shows whose it is; the port is a setting",
    "already_running": "one instance per state directory: stop the other one, or name another directory by --state",
    "things_board_refused": "is the user an administrator of the tenant, and the password right? Accounts lock, too",
    "things_board_away": "is the URL right, and the server up? What was done so far stays; run it again",
    "scan_not_allowed": "[scan] allow in bridge.toml names the networks that may be scanned; by default none",
}


def hint(error: BridgeError) -> str:
    """Return what to look at next; nothing where the error says it all."""
    return next((found for kind in type(error).__mro__ if (found := HINTS.get(getattr(kind, "kind", ""), ""))), "")
