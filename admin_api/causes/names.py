"""From the machine names that the system uses to causes: errors of a link, judgements, categories of alarms. Pure.

In: a ``kind``. Out: the name of a cause. These are texts on purpose: nothing of the worker is imported here,
and a test holds the tables against the classes they name.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from admin_api.causes.cause import Cause
from admin_api.causes.of_meters import OF_METERS
from admin_api.causes.of_system import OF_SYSTEM

CAUSES: Final[Mapping[str, Cause]] = {cause.name: cause for cause in (*OF_METERS, *OF_SYSTEM)}
OTHER: Final = "other"


def _turned(rows: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {kind: cause for cause, kinds in rows.items() for kind in kinds}


KINDS: Final[Mapping[str, str]] = _turned({
    "name_unresolved": ("name_unresolved",),
    "no_route": ("host_unreachable",),
    "no_answer": ("connect_timeout", "connect_failed"),
    "refused": ("connect_refused",),
    "link_refused": ("link_refused",),
    "association_refused": ("association_refused",),
    "wrong_credentials": ("authentication_failed",),
    "keys_or_counter": ("deciphering_failed", "counter_refused", "counter_exhausted"),
    "counter_file": ("bad_counter_file", "counter_file_held", "counter_unsaved"),
    "peer_closed": ("peer_closed", "peer_reset", "link_reset"),
    "timeouts": (
        "reply_timeout",
        "link_lost",
        "exchange_overrun",
        "meter_busy",
        "failed_cycles",
        "no_success",
        "window_overrun",
    ),
    "line_damage": ("bad_frame", "link_damaged", "out_of_sequence", "hdlc_errors"),
    "protocol": ("exception_response", "unexpected_reply", "association_lost", "sign_on_failed", "bad_data"),
    "unstable_link": ("circuit_breaker", "connection_max_age", "reconnect_after_reads"),
    "line_held": ("line_held", "lock_held"),
    "not_in_meter": (
        *("object_undefined", "access_denied", "class_inconsistent", "type_unmatched", "scope_violated"),
        *("not_negotiated", "profile_unusable"),
    ),
    "meter_fault": ("hardware_fault", "temporary_failure", "object_unavailable", "block_unavailable", "other_reason"),
    "configuration": ("bad_address", "bad_parameter", "bad_file", "serial_missing", "unknown_model"),
    "worker_down": ("worker_down",),
    "worker_hung": ("worker_silent", "worker_stuck"),
    "not_read": ("no_reading",),
    "not_taken": ("not_taken",),
    "not_delivered": ("not_acknowledged",),
})
"""Of what may stand as the cause of a meter's state."""

MUTE: Final[Mapping[str, str]] = _turned({
    "no_ua": ("reply_timeout", "link_lost", "exchange_overrun", "sign_on_failed"),
})
"""The same where a connection opened and not one frame came."""

OPENING: Final[Mapping[str, str]] = _turned({"no_association": ("reply_timeout", "link_lost", "exchange_overrun")})
"""The same where frames came and the association did not."""

METER_ALARMS: Final[Mapping[str, str]] = {
    "connection": "not_read",
    "hdlc": "line_damage",
    "watchdog": "timeouts",
    "circuit_breaker": "unstable_link",
    "auth": "wrong_credentials",
    "performance": "slow_cycles",
    "publish": "not_delivered",
    "process": "restarts",
    "heartbeat": "worker_hung",
    "clock": "meter_clock",
    "disk": "disk",
    "outbox": "outbox_bound",
    "plausibility": "implausible",
}
"""Of the category of an alarm of one meter."""

SYSTEM_ALARMS: Final[Mapping[str, str]] = {
    "connection": "not_read",
    "publish": "not_delivered",
    "process": "component_trouble",
    "heartbeat": "component_silent",
    "clock": "system_clock",
    "disk": "disk",
    "session_takeover": "takeover",
    "no_puback": "no_puback",
    "outbox": "outbox_bound",
    "auth": "not_delivered",
}
"""Of the category of an alarm of the system."""


def of_kind(kind: str) -> str:
    """Return the cause that the kind of an error names."""
    return KINDS.get(kind, OTHER)
