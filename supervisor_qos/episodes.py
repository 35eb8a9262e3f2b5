"""From conditions that come and go to alarms that people can live with: episodes, one per dedup key. Pure.

In: what holds just now, once a second, and the time. Out: what is to be written: raised, updated, cleared. A condition
has to hold for a while before it is raised, and to be gone for a while before it is cleared; one that comes back sooner
is the same episode, counted. What is not confirmed as written is said again, so that a store that is away costs
nothing. Within an episode the severity only rises.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Final

from common.store.model import AlarmStep, Change, Severity
from supervisor_qos.alarms import Alarm

TOLD_AGAIN_MS: Final = 60_000  # what changes but the severity is written at most once a minute
_RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a condition must hold before it is raised, and be gone before it is cleared; seconds."""

    hold_s: float = 0.0
    gone_s: float = 30.0


PATIENCE: Final[Mapping[str, Patience]] = {
    "connection": Patience(hold_s=5.0),  # one failed attempt is tried again after 2 s
    "hdlc": Patience(),
    "watchdog": Patience(gone_s=60.0),
    "circuit_breaker": Patience(gone_s=60.0),
    "auth": Patience(gone_s=5.0),
    "performance": Patience(hold_s=10.0, gone_s=60.0),  # one slow cycle is none
    "publish": Patience(gone_s=15.0),
    "process": Patience(gone_s=5.0),  # a start is told for a minute by itself
    "heartbeat": Patience(gone_s=15.0),
    "clock": Patience(),
    "disk": Patience(),
    "session_takeover": Patience(gone_s=60.0),
    "no_puback": Patience(gone_s=60.0),
    "outbox": Patience(),
    "plausibility": Patience(gone_s=120.0),  # a fallen register is seen in one cycle alone
}
_NONE: Final = Patience()


@dataclass(frozen=True, slots=True)
class Episode:
    """One key. ``since_ms``: since when it holds, or, when ``on`` is false, since when it is gone.

    ``rises``: how often the condition came. ``written``: as the store has it, None: not at all; ``written_ms``: since
    when. ``raised``: it has held for long enough; ``ended``: it has been gone for long enough.
    """

    alarm: Alarm
    since_ms: int
    on: bool = True
    rises: int = 1
    raised: bool = False
    ended: bool = False
    written: tuple[Severity, str, int] | None = None
    written_ms: int = 0

    @property
    def now(self) -> tuple[Severity, str, int]:
        """Return what the store should have."""
        return self.alarm.severity, self.alarm.message, self.rises


@dataclass(frozen=True, slots=True)
class View:
    """What is so just now. ``unheard``: nobody had the time yet to say that something still holds (the supervisor's
    own start): nothing is counted as gone. ``gone``: meters for which nobody can speak any more (deleted, paused,
    stopped): what does not hold of them is cleared at once.
    """

    now_ms: int
    holding: Mapping[str, Alarm]
    unheard: bool = False
    is_gone: Callable[[bytes], bool] = lambda _uid: False


@dataclass(slots=True)
class Episodes:
    """See the module's text."""

    patience: Mapping[str, Patience] = field(default_factory=lambda: PATIENCE)
    known: dict[str, Episode] = field(default_factory=dict)

    @property
    def raised(self) -> Set[str]:
        """The keys of the alarms that last."""
        return {key for key, episode in self.known.items() if episode.raised}

    def resume(self, key: str, alarm: Alarm, count: int, now_ms: int) -> None:
        """Take over an episode that an earlier supervisor left: it is taken to hold still."""
        written = (alarm.severity, alarm.message, count)
        self.known[key] = Episode(alarm, now_ms, rises=count, raised=True, written=written, written_ms=now_ms)

    def look(self, view: View) -> list[AlarmStep]:
        """Take in what holds; return what is to be written, to be confirmed by ``done``."""
        for key in view.holding.keys() | self.known.keys():
            found = self._advance(key, view)
            if found is None:
                self.known.pop(key, None)
            else:
                self.known[key] = found
        return [step for key, episode in self.known.items() for step in _steps(key, episode, view.now_ms)]

    def done(self, steps: Iterable[AlarmStep], now_ms: int) -> None:
        """The store has taken these."""
        for step in steps:
            if step.change is Change.CLEARED:
                self.known.pop(step.dedup_key, None)
            elif step.dedup_key in self.known:
                written = (step.severity, step.message, step.count)
                old = self.known[step.dedup_key]
                self.known[step.dedup_key] = replace(old, written=written, written_ms=now_ms)

    def _advance(self, key: str, view: View) -> Episode | None:
        alarm, old = view.holding.get(key), self.known.get(key)
        if old is None:
            episode = Episode(alarm, view.now_ms) if alarm else None
        elif alarm is not None:
            episode = _holds(old, alarm, view.now_ms)
        else:
            episode = self._lacks(old, view)
        if episode is None or not episode.on or episode.raised:
            return episode
        held_ms = view.now_ms - episode.since_ms
        return replace(episode, raised=held_ms >= 1000 * self._patience(episode).hold_s)

    def _lacks(self, old: Episode, view: View) -> Episode | None:
        """The condition does not hold; what was never raised is forgotten."""
        if not old.raised:
            return None
        if view.unheard and not self._is_gone(old, view):
            return old if old.on else replace(old, since_ms=view.now_ms)
        episode = replace(old, on=False, since_ms=view.now_ms) if old.on else old
        over = view.now_ms - episode.since_ms >= 1000 * self._patience(old).gone_s
        return replace(episode, ended=episode.ended or over or self._is_gone(old, view))

    def _is_gone(self, episode: Episode, view: View) -> bool:
        return episode.alarm.uid is not None and view.is_gone(episode.alarm.uid)

    def _patience(self, episode: Episode) -> Patience:
        return self.patience.get(episode.alarm.category, _NONE)


def _holds(old: Episode, alarm: Alarm, now_ms: int) -> Episode:
    """The condition holds: for the first time, still, or again."""
    worst = max(old.alarm.severity, alarm.severity, key=_RANK.__getitem__) if old.raised else alarm.severity
    alarm = replace(alarm, severity=worst)
    if old.on:
        return replace(old, alarm=alarm)
    return replace(old, alarm=alarm, on=True, since_ms=now_ms, rises=old.rises + 1, ended=False)


def _steps(key: str, episode: Episode, now_ms: int) -> Iterable[AlarmStep]:
    """Give what the store does not have yet; an episode that came and went while it was away is written whole."""
    if not episode.raised:
        return
    written = episode.written
    if written is None:
        yield _step(Change.RAISED, key, episode)
    elif not episode.ended and written != episode.now:
        worse = _RANK[episode.alarm.severity] > _RANK[written[0]]
        if worse or now_ms - episode.written_ms >= TOLD_AGAIN_MS:
            yield _step(Change.UPDATED, key, episode)
    if episode.ended:
        yield _step(Change.CLEARED, key, episode)


def _step(change: Change, key: str, episode: Episode) -> AlarmStep:
    alarm = episode.alarm
    return AlarmStep(change, key, alarm.severity, alarm.category, alarm.message, episode.rises, alarm.uid)
