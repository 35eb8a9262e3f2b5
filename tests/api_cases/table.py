"""What the cases allow, leave for the end or leave out, each with its reason: nothing is passed over in silence.

Checks are schemathesis' own, all of them; those that are not here apply to every answer of every operation as they are.
"""

from collections.abc import Mapping
from typing import Final

Setting = Mapping[str, object]
REFUSED: Final = ["400", "401", "403", "404", "409", "412", "413", "415", "422", "429"]

CHECKS: Final[Mapping[str, tuple[Setting, str]]] = {
    "positive_data_acceptance": (
        {"expected-statuses": ["2xx", "304", "401", "403", "404", "409", "412", "422", "429", "502", "503", "504"]},
        "what fits a form may be refused for what it means (422), for what there is (404, 409, 412), or because too"
        " much is under way (429); never with 400, 405, 413, 415 or 500",
    ),
    "negative_data_rejection": ({"expected-statuses": REFUSED}, "a refusal is one, whatever was noticed first"),
}
"""A check to how it is set, and why."""

IN_SHORT: Final[Mapping[str, tuple[Setting, str]]] = {
    "ignored_auth": ({"enabled": False}, "asks everything three times; tests/unit walks every route with every role"),
}
"""The same, for the short form alone."""

OF_OPERATIONS: Final[Mapping[str, tuple[Mapping[str, Setting], str]]] = {
    "import_meters": (
        {
            "negative_data_rejection": {"expected-statuses": ["200", *REFUSED]},
            "allow_header_conformance": {"enabled": False},
        },
        "a row that is no meter is told in the report, which is a good answer; other methods of its path are those of a"
        " meter of that name",
    ),
    "export_meters": (
        {"allow_header_conformance": {"enabled": False}},
        "other methods of its path are those of a meter of that name",
    ),
}
"""An operation to checks that are set otherwise for it, and why."""

LAST: Final[Mapping[str, str]] = {
    "remove_meter": "removes the meters that the others need",
    "remove_user": "removes the users that the others need",
    "revoke_token": "revokes the token that the cases come with",
}
"""Operations that come after all others, by themselves."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "follow_meter": "server-sent events have no end to wait for; they have tests of their own",
    "follow_all": "the same",
}
"""Operations that are not tried."""

THROTTLED: Final = "ignored_auth: after ten tokens that are nobody's an address gets 429 instead of 401 for a while"
HELD: Final = (
    "a meter that a case makes, replaces or changes is stopped: a case is no reason to start a process and to call"
    " strangers; a scan is refused by the settings"
)
