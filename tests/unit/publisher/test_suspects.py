"""Which rows are sent alone, and which are convicted."""

from publisher.delivery import STRIKES, SUSPECT_AFTER, Death
from publisher.suspects import MAX_SUSPECTS, Suspects

CROWD = Death(alone=False, session_age_s=1.0, acknowledged_others=1, since_sent_s=0.1)
LATE = Death(alone=False, session_age_s=1.0, acknowledged_others=1, since_sent_s=20.0)
PROOF = Death(alone=True, session_age_s=11.0, acknowledged_others=1, since_sent_s=0.1)


def test_rows_that_saw_sessions_die_early_are_sent_alone() -> None:
    suspects = Suspects()
    for _ in range(SUSPECT_AFTER):
        assert not suspects.is_suspect(1)
        assert suspects.witnessed((1, 2), CROWD) is None
    assert suspects.is_suspect(1)
    assert suspects.is_suspect(2)
    assert not suspects.is_suspect(3)


def test_a_session_that_dies_long_after_the_packet_blames_nobody() -> None:
    suspects = Suspects()
    for _ in range(50):
        assert suspects.witnessed((1,), LATE) is None
    assert not suspects.is_suspect(1)


def test_a_crowd_is_never_convicted() -> None:
    suspects = Suspects()
    assert all(suspects.witnessed((1,), CROWD) is None for _ in range(50))


def test_a_row_is_convicted_by_three_deaths_with_all_the_evidence() -> None:
    suspects = Suspects()
    verdicts = [suspects.witnessed((1,), PROOF) for _ in range(STRIKES)]
    assert verdicts == [None, None, 1]
    assert not suspects.is_suspect(1)


def test_an_acknowledgement_acquits() -> None:
    suspects = Suspects()
    suspects.witnessed((1,), PROOF)
    suspects.forget((1,))
    assert not suspects.is_suspect(1)
    assert suspects.witnessed((1,), PROOF) is None


def test_memory_is_bounded() -> None:
    suspects = Suspects()
    for _ in range(SUSPECT_AFTER):
        suspects.witnessed(tuple(range(MAX_SUSPECTS + 10)), CROWD)
    assert not suspects.is_suspect(0)
    assert suspects.is_suspect(MAX_SUSPECTS + 9)
