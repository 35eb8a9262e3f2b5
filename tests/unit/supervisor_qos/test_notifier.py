"""The notifier over a real store: told once, over restarts; digests, failures, what is given up."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.paths import Paths
from common.secret import Secret
from common.settings import NotifySettings, Settings
from common.store.engine import Store
from common.store.model import Severity
from supervisor_qos.notifier.letters import EXPIRED_MS
from supervisor_qos.notifier.loop import COMPONENT, Notifier
from tests.support.installation import StillClock

UID = bytes(range(16))
KEY = f"connection:{UID.hex()}"
URLS = "mailto://ann:secret-word@mail.example json://hook.example/token-1"
QUICK = NotifySettings(urls=Secret(URLS), hold_s=10.0, digest_s=60.0)


class Post:
    """A courier that writes down what it is given, and fails where it is told to."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str, str]] = []
        self.broken: set[str] = set()

    def deliver(self, url: Secret, title: str, text: str) -> str:
        scheme = url.reveal().partition("://")[0]
        if scheme in self.broken:
            return "no route to ***"
        self.letters.append((scheme, title, text))
        return ""

    def taken(self) -> list[tuple[str, str]]:
        found = [(scheme, text) for scheme, _, text in self.letters]
        self.letters.clear()
        return found


class Scene:
    """A notifier that can be started anew."""

    def __init__(self, root: Path, store: Store, clock: StillClock) -> None:
        self.settings = Settings(Paths(root), notify=QUICK)
        self.store, self.clock, self.post = store, clock, Post()
        self.start()

    def start(self) -> None:
        self.notifier = Notifier(self.settings, self.store, self.clock, self.post)

    def raise_(self, key: str = KEY, severity: Severity = Severity.ERROR) -> None:
        uid = UID if key == KEY else None
        self.store.alarms.raise_(key, severity, key.partition(":")[0], "no answer", meter_uid=uid)

    def turn(self, after_s: float = 0.0) -> list[tuple[str, str]]:
        """Let time pass, turn once; return schemes and texts of the letters."""
        self.clock.sleep(after_s)
        self.notifier.guarded_turn()
        return self.post.taken()

    def state(self) -> dict[str, object]:
        return dict(self.store.states.components()[COMPONENT].state)


@pytest.fixture
def scene(tmp_path: Path, store: Store, clock: StillClock) -> Scene:
    return Scene(tmp_path, store, clock)


def test_each_channel_is_told_once_after_the_hold_whoever_starts_again(scene: Scene) -> None:
    scene.raise_()
    assert scene.turn() == []
    told = scene.turn(11.0)
    assert [scheme for scheme, _ in told] == ["mailto", "json"]
    assert "ERROR connection" in told[0][1]
    scene.start()
    assert scene.turn(600.0) == []


def test_what_comes_and_goes_within_the_hold_is_never_told(scene: Scene) -> None:
    scene.raise_()
    scene.clock.sleep(5.0)
    scene.store.alarms.clear(KEY)
    assert scene.turn(60.0) == []


def test_what_gets_worse_and_its_end_are_told(scene: Scene) -> None:
    scene.raise_()
    scene.turn(11.0)
    scene.raise_(severity=Severity.CRITICAL)
    assert [text.split()[0] for _, text in scene.turn(61.0)] == ["CRITICAL", "CRITICAL"]
    scene.store.alarms.clear(KEY)
    assert [text.split()[0] for _, text in scene.turn(61.0)] == ["OVER", "OVER"]


def test_what_follows_within_the_digest_is_gathered_into_one_letter(scene: Scene) -> None:
    scene.raise_()
    scene.turn(11.0)
    for number in range(40):
        scene.raise_(f"process:part-{number}")
    assert scene.turn(11.0) == []
    (_, text), _ = scene.turn(60.0)
    assert text.splitlines()[-1] == "… and 20 more"
    assert scene.turn(120.0) == []


def test_the_limit_of_an_hour_outlives_a_restart(scene: Scene) -> None:
    scene.settings = replace(scene.settings, notify=replace(QUICK, per_hour=2, digest_s=0.0))
    scene.start()
    letters = 0
    for number in range(6):
        scene.raise_(f"process:part-{number}")
        letters += len(scene.turn(20.0))
        scene.start()
    assert letters == 2 * 2
    assert len(scene.turn(3600.0)) == 2


def test_a_channel_that_fails_holds_up_no_other_and_is_tried_again(scene: Scene) -> None:
    scene.post.broken = {"mailto"}
    scene.raise_()
    assert [scheme for scheme, _ in scene.turn(11.0)] == ["json"]
    assert "no route to ***" in str(scene.state()["trouble"])
    scene.post.broken = set()
    assert scene.turn(20.0) == []
    assert [scheme for scheme, _ in scene.turn(11.0)] == ["mailto"]
    assert scene.state()["trouble"] == ""


def test_what_could_not_be_told_for_a_day_is_given_up_and_counted(scene: Scene) -> None:
    scene.post.broken = {"mailto", "json"}
    scene.raise_()
    scene.turn(11.0)
    scene.post.broken = set()
    assert scene.turn(EXPIRED_MS / 1000) == []
    assert scene.state()["counters"] == {"failures": 2, "given_up": 2}


def test_a_meter_is_named_and_no_secret_is_in_the_state(scene: Scene) -> None:
    scene.post.broken = {"mailto"}
    scene.raise_()
    scene.turn(11.0)
    assert not any(word in str(scene.state()) for word in ("secret-word", "token-1", "hook.example"))


def test_a_file_of_urls_is_followed_and_one_that_others_may_read_is_refused(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text("# who is told\n\nxml://hook.example/\n", encoding="utf-8")
    path.chmod(0o644)
    scene.settings = replace(scene.settings, notify=replace(QUICK, urls=Secret(""), urls_file="urls"))
    scene.start()
    scene.raise_()
    assert scene.turn(11.0) == []
    assert "0600" in str(scene.state()["trouble"])
    path.chmod(0o600)
    assert [scheme for scheme, _ in scene.turn(11.0)] == ["xml"]
