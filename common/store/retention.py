"""How long everything is kept, and how much of it: one rule for each table that grows with time.

In: the settings and the time. Out: nothing; what is beyond time or number is forgotten, the oldest first, a batch per
table and call. Looking for it holds no write lock. What each table is bounded by stands in docs/STORE.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Integer, Table, delete, func, or_, select

from common.settings import StoreSettings
from common.store.database import Database, Way
from common.store.forgetting import BATCH
from common.store.tables import alarms, audit, commands, dlms_diagnostics, notices, starts, tokens

DAY_MS: Final = 86_400_000
STARTS_DAYS: Final = 7  # the longest window that a budget may have is a day
TOLD_DAYS: Final = 7  # notices outlive their alarms: what is forgotten here would be told again
MAX_COMMANDS: Final = 50_000  # rows that are over; each has at most some kB of result
MAX_DIAGNOSTICS: Final = 100_000  # 2 kB each, 16 kB at most; of one meter the newest 200
MAX_ALARMS: Final = 100_000  # cleared ones; what lasts is bounded by meters and categories
MAX_NOTICES: Final = 300_000  # an alarm is raised and cleared, and there are a few channels
MAX_STARTS: Final = 200_000
MAX_AUDIT: Final = 500_000  # some 100 MB; whoever makes more in 400 days changes something every minute
MAX_TOKENS: Final = 10_000  # revoked or over; of those that live tokens.py bounds the number


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of ``table`` go ``days`` after the time in column ``since``, and the oldest beyond ``rows``.

    Where that time is empty or has not come the row is not over, and stays.
    """

    table: Table
    since: ColumnElement[int]
    days: int
    rows: int


def rules(bounds: StoreSettings) -> Sequence[Rule]:
    """Return a rule for every table that this module trims."""
    return (
        Rule(commands, commands.c.finished_ms, bounds.commands_kept_days, MAX_COMMANDS),
        Rule(dlms_diagnostics, dlms_diagnostics.c.at_ms, bounds.diagnostics_kept_days, MAX_DIAGNOSTICS),
        Rule(alarms, alarms.c.cleared_at, bounds.alarms_kept_days, MAX_ALARMS),
        Rule(notices, notices.c.created_ms, bounds.alarms_kept_days + TOLD_DAYS, MAX_NOTICES),
        Rule(starts, starts.c.at_ms, STARTS_DAYS, MAX_STARTS),
        Rule(audit, audit.c.at_ms, bounds.audit_kept_days, MAX_AUDIT),
        Rule(tokens, func.coalesce(tokens.c.revoked_at, tokens.c.expires_at), bounds.audit_kept_days, MAX_TOKENS),
    )


class Retention:
    """The rules, applied."""

    def __init__(self, database: Database, bounds: StoreSettings) -> None:
        self._database = database
        self.rules = rules(bounds)

    def trim(self, now_ms: int) -> bool:
        """Forget a batch of each table; return whether there may be more."""
        return BATCH in [self._trim(rule, now_ms) for rule in self.rules]

    def _trim(self, rule: Rule, now_ms: int) -> int:
        (key,) = rule.table.primary_key.columns
        gone = or_(rule.since < now_ms - rule.days * DAY_MS, _beyond(rule, key, now_ms))
        with self._database.begin(Way.READ) as connection:
            found = connection.execute(select(key).where(gone).limit(BATCH)).scalars().all()
        if found:
            with self._database.begin(Way.STATE) as connection:
                connection.execute(delete(rule.table).where(key.in_(found)))
        return len(found)


def _beyond(rule: Rule, key: ColumnElement[object], now_ms: int) -> ColumnElement[bool]:
    """Rows that are over and older than as many as may be; numbers rise with time, and cost no search."""
    over = rule.since < now_ms
    if isinstance(key.type, Integer):
        return over & (key <= select(func.max(key)).scalar_subquery() - rule.rows)
    oldest = select(rule.since).where(over).order_by(rule.since.desc()).offset(rule.rows).limit(1)
    return over & (rule.since <= oldest.scalar_subquery())
