"""Decisions carried out, through supervisord.

In: decisions. Out: calls, a line in the log for each, and what was done in the ledger. A call that supervisord refuses
is a fact like any other: it is logged, a refused start is counted.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from common.supervisord import Refused, Supervisord
from supervisor_qos.ledger import Ledger
from supervisor_qos.policy import Act, Decision

CALLS: Final[Mapping[Act, Callable[[Supervisord, str], None]]] = {
    Act.DUMP: lambda supervisord, name: supervisord.signal(name, "USR1"),
    Act.KILL: lambda supervisord, name: supervisord.signal(name, "KILL"),
    Act.START: lambda supervisord, name: supervisord.start(name),
    Act.STOP: lambda supervisord, name: supervisord.stop(name),
    Act.BLOCK: lambda supervisord, name: supervisord.stop(name),
}
_log = logging.getLogger(__name__)


def carry_out(decisions: Iterable[Decision], supervisord: Supervisord, ledger: Ledger, now_s: float) -> None:
    """Do what was decided; raise NotListening."""
    for decision in decisions:
        _log.warning("%s program=%s reason=%s", decision.act, decision.name, decision.reason)
        ledger.note(decision, now_s)
        call = CALLS.get(decision.act)  # to trust again needs none
        if call is None:
            continue
        try:
            call(supervisord, decision.name)
        except Refused as error:
            _log.warning("refused by supervisord: %s", error.detail)
            if decision.act is Act.START:
                ledger.failed(decision.name, now_s)
