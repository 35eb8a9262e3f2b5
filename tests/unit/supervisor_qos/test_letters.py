"""When which change of an alarm is told, and in which words: tables."""

from dataclasses import replace

import pytest

from common.secret import Secret
from common.store.model import AlarmRow, Severity
from supervisor_qos.notifier.courier import channel_name, redacted
from supervisor_qos.notifier.letters import (
    CLEARED,
    HOUR_MS,
    LAST_RETRY_MS,
    MAX_LINES,
    RECENT_MS,
    Item,
    Wishes,
    due,
    letter,
    may_send,
    retry_ms,
)

NOW = 1_795_262_400_000
WISHES = Wishes()
ROW = AlarmRow(
    id=1,
    meter_id=1,
    meter_uid=bytes(16),
    severity=Severity.ERROR,
    category="connection",
    message="no  answer\nfor long",
    details={},
    dedup_key="connection:00",
    count=1,
    raised_at=NOW - 90_000,
    updated_at=NOW,
    cleared_at=None,
    acknowledged_at=None,
    acknowledged_by="",
)
SHORT = replace(ROW, raised_at=NOW - 70_000, cleared_at=NOW - 20_000)
LONG = replace(ROW, raised_at=NOW - 700_000, cleared_at=NOW - 20_000)


@pytest.mark.parametrize(
    ("row", "told", "wishes", "change"),
    [
        (ROW, set(), WISHES, "at_error"),
        (ROW, {"at_error"}, WISHES, ""),
        (replace(ROW, raised_at=NOW - 59_000), set(), WISHES, ""),
        (replace(ROW, raised_at=NOW), set(), Wishes(hold_ms=0), "at_error"),
        (replace(ROW, severity=Severity.WARNING), set(), WISHES, ""),
        (replace(ROW, severity=Severity.WARNING), set(), Wishes(Severity.INFO), "at_warning"),
        (replace(ROW, severity=Severity.CRITICAL), {"at_error"}, WISHES, "at_critical"),
        (SHORT, set(), WISHES, ""),
        (SHORT, {"at_error"}, WISHES, CLEARED),
        (SHORT, {"at_error", CLEARED}, WISHES, ""),
        (SHORT, {"at_error"}, Wishes(resolved=False), ""),
        (LONG, set(), WISHES, "at_error"),
        (replace(LONG, cleared_at=NOW - RECENT_MS - 1, raised_at=NOW - 5 * RECENT_MS), set(), WISHES, ""),
        (replace(ROW, raised_at=NOW + 3650 * 24 * HOUR_MS), set(), WISHES, "at_error"),
    ],
    ids=[
        "raised",
        "told already",
        "not for long enough",
        "at once where nothing is held",
        "not bad enough",
        "bad enough",
        "got worse",
        "over before it was told",
        "over",
        "over and told",
        "the end is not wanted",
        "came and went while nobody looked",
        "that is long ago",
        "dated by a clock that was set back",
    ],
)
def test_what_is_due(row: AlarmRow, told: set[str], wishes: Wishes, change: str) -> None:
    assert due(row, told, wishes, NOW) == change


@pytest.mark.parametrize(
    ("ages_s", "allowed"),
    [
        ([], True),
        ([301], True),
        ([299], False),
        ([300], True),
        ([3500, 3000, 2500, 2000], True),
        (list(range(3590, 390, -270)), False),
        ([3601, *range(3590, 2000, -400)], True),
        ([-60, -3600, -86_400], True),
    ],
    ids=[
        "the first",
        "after the digest",
        "within it",
        "at its end",
        "four an hour",
        "twelve an hour",
        "an hour ago",
        "to come",
    ],
)
def test_when_a_letter_may_go(ages_s: list[int], allowed: bool) -> None:
    assert may_send([NOW - 1000 * age for age in ages_s], WISHES, NOW) is allowed


def test_a_channel_never_gets_more_than_its_letters_in_any_hour() -> None:
    """A storm without end: asked every two seconds for three hours."""
    wishes = Wishes(per_hour=5, digest_ms=60_000)
    sent: list[int] = []
    for now in range(NOW, NOW + 3 * HOUR_MS, 2000):
        if may_send(sent, wishes, now):
            sent.append(now)
    assert max(sum(at - HOUR_MS < other <= at for other in sent) for at in sent) == 5
    assert len(sent) == 15


def test_retries_slow_down_to_one_an_hour() -> None:
    waits = [retry_ms(failures) for failures in range(1, 12)]
    assert waits[:3] == [30_000, 60_000, 120_000]
    assert waits == sorted(waits)
    assert waits[-1] == LAST_RETRY_MS


def test_a_letter_about_one_alarm_says_it_in_the_title() -> None:
    title, text = letter([Item(ROW, "at_error", "house-1")], "here")
    assert title == "dlms-bridge here: error: connection house-1"
    assert text == "ERROR connection house-1: since 2026-11-21 11:58:30Z: no answer for long"


def test_the_end_of_an_alarm_says_how_long_it_lasted() -> None:
    title, text = letter([Item(LONG, CLEARED, "house-1")], "here")
    assert title.endswith("over: connection house-1")
    assert text == "OVER connection house-1: 2026-11-21 11:59:40Z, after 11 min"


def test_many_changes_are_one_letter_the_worst_first_and_the_rest_is_counted() -> None:
    rows = [replace(ROW, id=number) for number in range(MAX_LINES + 36)]
    items = [Item(row, "at_error", f"m{row.id}") for row in rows]
    items.append(Item(replace(ROW, id=99, severity=Severity.CRITICAL), "at_critical", "worst"))
    items.append(Item(replace(LONG, id=100), CLEARED, "gone"))
    title, text = letter(items, "here")
    lines = text.splitlines()
    assert title == "dlms-bridge here: 57 alarms, 1 over"
    assert lines[0].startswith("CRITICAL connection worst")
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == "… and 38 more"


def test_no_part_of_a_url_is_left_in_an_error() -> None:
    url = Secret("mailto://ann:s3cr-et@mail.example/?to=bob%40x.example")
    text = redacted("login of ann with s3cr-et at mail.example for bob%40x.example failed", url)
    assert text == "login of *** with *** at *** for *** failed"
    plain = redacted("login of ann with s3cr@et:7 failed", Secret("mailto://ann:s3cr%40et%3A7@mail.example"))
    assert plain == "login of *** with *** failed"
    assert "s3cr" not in channel_name(url)
    assert channel_name(url).startswith("mailto#")
