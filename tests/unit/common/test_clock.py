"""The clocks of this machine."""

from pathlib import Path

import pytest

from common import clock
from common.clock import SystemClock, boot_id


def test_clocks_run_forwards_in_their_units() -> None:
    now = SystemClock()
    monotonic, boot, wall = now.monotonic(), now.boottime_ms(), now.wall_ms()
    now.sleep(0.0)
    assert now.monotonic() >= monotonic
    assert now.boottime_ms() >= boot
    assert wall > 1_600_000_000_000
    assert abs(now.wall_ms() - wall) < 60_000


def test_the_boot_has_a_name_of_sixteen_octets() -> None:
    assert len(boot_id()) == 16
    assert boot_id() == boot_id()


@pytest.mark.parametrize("content", [None, "", "nonsense", "00"])
def test_a_kernel_without_a_boot_id_has_sixteen_zero_octets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "boot_id"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(clock, "BOOT_ID_FILE", path)
    assert boot_id() == bytes(16)
