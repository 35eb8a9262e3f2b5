"""The routes file as it changes."""

from pathlib import Path

from common.routes import Mode, Route, Routes, Target
from publisher.route_file import RouteFile

TARGET = Target("default", "127.0.0.1", 1883)


def routes(meter: str) -> Routes:
    route = Route(b"u" * 16, meter, Mode.GENERIC, "default", topic=f"meters/{meter}/telemetry")
    return Routes({"default": TARGET}, {route.uid: route})


def test_a_missing_file_is_a_fault_and_no_routes(tmp_path: Path) -> None:
    file = RouteFile(tmp_path / "routes.json")
    assert file.look() is None
    assert "No such file" in file.fault


def test_routes_are_given_once_for_each_replacement(tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    file = RouteFile(path)
    routes("a").dump(path)
    assert file.look() == routes("a")
    assert file.look() is None
    routes("b").dump(path)
    assert file.look() == routes("b")
    assert file.fault == ""


def test_a_bad_file_changes_nothing_and_is_named_until_it_is_good_again(tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    file = RouteFile(path)
    path.write_text('{"targets": [], "routes": [{"mode": "generic", "uid": "00"}]}', encoding="utf-8")
    assert file.look() is None
    assert "routes[0]" in file.fault
    assert "uid" in file.fault
    assert file.look() is None
    routes("a").dump(path)
    assert file.look() == routes("a")
    assert file.fault == ""
