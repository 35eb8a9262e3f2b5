"""Whom alarms are told: URLs of the settings and of a file that nobody else may read; the program that tells them."""

from pathlib import Path

import pytest

from admin_api.cli.programs import programs
from common.notify_urls import MAX_URLS, is_configured, urls
from common.paths import Paths
from common.secret import Secret
from common.settings import BadSettings, NotifySettings, Settings, load

SECRET = "json://hook.example/token"


def settings(root: Path, text: str = "", file: str = "") -> Settings:
    return Settings(Paths(root), notify=NotifySettings(urls=Secret(text), urls_file=file))


def test_nobody_is_told_unless_somebody_is_named(tmp_path: Path) -> None:
    assert not is_configured(settings(tmp_path))
    assert urls(settings(tmp_path)) == []
    assert "notifier" not in {program.name for program in programs(settings(tmp_path), tmp_path)}
    assert "notifier" in {program.name for program in programs(settings(tmp_path, SECRET), tmp_path)}


def test_settings_and_file_are_joined_and_each_url_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "urls"
    path.write_text(f"# people\n\n  xml://a.example/  \n{SECRET}\n", encoding="utf-8")
    path.chmod(0o600)
    found = urls(settings(tmp_path, f"{SECRET} mailto://b.example", "urls"))
    assert [url.reveal() for url in found] == [SECRET, "mailto://b.example", "xml://a.example/"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "urls"
    path.write_text(SECRET, encoding="utf-8")
    path.chmod(mode)
    with pytest.raises(BadSettings, match="0600"):
        urls(settings(tmp_path, file="urls"))


@pytest.mark.parametrize(
    "text", ["nonsense-with-token", " ".join(f"json://{n}.example/token" for n in range(MAX_URLS + 1))]
)
def test_what_is_wrong_is_named_without_the_url(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings) as error:
        urls(settings(tmp_path, text))
    assert "token" not in error.value.detail


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="No such file"):
        urls(settings(tmp_path, file="urls"))


def test_the_section_is_read_and_its_secret_does_not_print(tmp_path: Path) -> None:
    environment = {"DLMS_BRIDGE_NOTIFY_URLS": SECRET, "DLMS_BRIDGE_NOTIFY_PER_HOUR": "3"}
    found = load(str(tmp_path), environment)
    assert (found.notify.per_hour, found.notify.min_severity) == (3, "error")
    assert "token" not in repr(found)
