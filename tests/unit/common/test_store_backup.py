"""Backups: what goes in comes out, on each kind of database and across; what is damaged is said."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from common.master_key import installing
from common.store.archive import KEY, MANIFEST, SEAL, SETTINGS, BadBackup, Reader
from common.store.backup import NotWritten, Source, write
from common.store.database import Database, Way
from common.store.engine import Store, open_store
from common.store.errors import StoreTooNew
from common.store.migrations.upgrade import migrate
from common.store.model import Role
from common.store.restoring import KeyMissing, StoreNotEmpty, key_of, rehearse, restore
from common.store.upgrading import KEPT, save_before
from common.vault import Vault
from tests.support.installation import NOON_MS, StillClock, unresolved, wish
from tests.support.stores import PASSWORD, fill, rows_of

SENTENCE = "# our settings\n"


def _source(directory: Path, url: str) -> Source:
    Vault.create(directory / "master.key")
    (directory / "bridge.toml").write_text(SENTENCE)
    return Source(Database(url), directory / "master.key", directory / "bridge.toml")


@pytest.fixture
def made(store: Store, store_url: str, tmp_path: Path) -> Path:
    """A backup, with its key, of a store with something in every table."""
    fill(store)
    path = tmp_path / "made.tar"
    source = _source(tmp_path, store_url)
    write(source, path, NOON_MS, with_key=True)
    source.database.close()
    return path


def test_every_row_comes_back_on_the_same_and_on_the_other_database(
    made: Path, store_url: str, unmade_url: str, tmp_path: Path
) -> None:
    target = _source(tmp_path, unmade_url)
    done = restore(Reader(made), target, NOON_MS, force=False)
    before = rows_of(store_url)
    assert rows_of(unmade_url) == before
    assert done.counts == {name: len(rows) for name, rows in before.items()}
    assert done.counts["meters"] == 2
    assert all(done.counts[name] for name in ("alarms", "notices", "meter_periods", "dlms_diagnostics", "tokens"))
    again = write(target, tmp_path / "again.tar", NOON_MS, with_key=True)
    tables = [name for name in again.manifest.checksums if name.startswith("tables/")]
    first = Reader(made).manifest.checksums
    assert {name: again.manifest.checksums[name] for name in tables} == {name: first[name] for name in tables}
    target.database.close()


def test_people_come_back_and_who_was_logged_in_does_not(
    store: Store, store_url: str, unmade_url: str, tmp_path: Path
) -> None:
    ann = store.users.add("ann", Role.VIEWER, "a hash", "test")
    _, session = store.sessions.create(ann, "ann")
    source = _source(tmp_path, store_url)
    write(source, tmp_path / "people.tar", NOON_MS)
    source.database.close()
    target = _source(tmp_path, unmade_url)
    restore(Reader(tmp_path / "people.tar"), target, NOON_MS, force=False)
    restored = open_store(unmade_url, Vault.load(target.key), clock=StillClock(), resolve_hosts=unresolved)
    assert restored.users.find("ann").name == "ann"
    assert store.sessions.verify(session.reveal()) is not None
    assert restored.sessions.verify(session.reveal()) is None
    restored.close()
    target.database.close()


def test_numbers_that_were_given_are_not_given_again(made: Path, unmade_url: str, tmp_path: Path) -> None:
    target = _source(tmp_path, unmade_url)
    restore(Reader(made), target, NOON_MS, force=False)
    target.database.close()
    store = open_store(unmade_url, Vault.load(tmp_path / "master.key"), clock=StillClock(), resolve_hosts=unresolved)
    assert store.meters.add(wish("new", port=9), "test").id == 3
    assert {meter.wish.name: meter.wish.password for meter in store.meters.list()}["secured"] == PASSWORD
    store.close()


def test_a_backup_is_for_our_eyes_and_shows_no_secret(made: Path, tmp_path: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o600
    assert Reader(made).small(SETTINGS).decode() == SENTENCE
    assert Reader(made).small(KEY) == (tmp_path / "master.key").read_bytes()
    assert b"12345678" not in b"".join(_contents(made)[name] for name in _contents(made))
    assert not list(tmp_path.glob(".made*")), "no draft is left"


def test_without_the_key_only_the_installation_that_has_it_can_use_a_backup(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    fill(store)
    source = _source(tmp_path, store_url)
    reader = write(source, tmp_path / "made.tar", NOON_MS)
    assert not reader.has(KEY)
    assert key_of(reader, tmp_path / "master.key") is None
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "master.key"
    for _ in range(2):
        with pytest.raises(KeyMissing, match=reader.manifest.key):
            key_of(reader, other)
        Vault.create(other)
    with installing(other, (tmp_path / "master.key").read_bytes(), tmp_path / "aside") as changed:
        assert changed
    assert key_of(reader, other) is None
    source.database.close()


def test_a_store_with_meters_is_replaced_only_by_force_and_kept(made: Path, store_url: str, tmp_path: Path) -> None:
    target = _source(tmp_path, store_url)
    before = rows_of(store_url)
    with pytest.raises(StoreNotEmpty, match="2 meters"):
        restore(Reader(made), target, NOON_MS, force=False)
    assert rows_of(store_url) == before
    with target.database.begin(Way.WISH) as connection:
        connection.execute(text("DELETE FROM meters"))
        connection.execute(text("UPDATE versions SET value = 77"))
    target.database.close()
    done = restore(Reader(made), target, NOON_MS, force=True)
    assert rows_of(store_url) == before
    assert done.aside is not None
    if store_url.startswith("sqlite"):
        assert rows_of(f"sqlite:///{done.aside}")["versions"] == [("wishes", 77)]
    else:
        assert b"77" in _table(done.aside, "versions")
    target.database.close()


def test_a_backup_of_an_older_schema_is_brought_up_and_of_a_newer_one_refused(unmade_url: str, tmp_path: Path) -> None:
    source = _source(tmp_path, f"sqlite:///{tmp_path}/old.db")
    migrate(source.database, "0002")
    reader = write(source, tmp_path / "old.tar", NOON_MS)
    assert reader.manifest.revision == "0002"
    target = _source(tmp_path, unmade_url)
    assert restore(reader, target, NOON_MS, force=False).counts["versions"] == 1
    assert {"users", "readings_history"} <= rows_of(unmade_url).keys()
    source.database.close()
    newer = _changed(tmp_path / "old.tar", tmp_path / "new.tar", lambda document: document | {"revision": "0099"})
    with pytest.raises(StoreTooNew, match="0099"):
        restore(Reader(newer), target, NOON_MS, force=True)
    target.database.close()


def test_what_an_upgrade_will_change_is_kept_and_nothing_else_is(unmade_url: str, tmp_path: Path) -> None:
    source, kept = _source(tmp_path, unmade_url), tmp_path / "backups"
    assert save_before(source, kept, NOON_MS) is None, "there is nothing yet"
    migrate(source.database, "0003")
    before = rows_of(unmade_url)
    made = [save_before(source, kept, NOON_MS + number) for number in range(KEPT + 2)]
    assert sorted(kept.iterdir()) == made[-KEPT:]
    migrate(source.database)
    assert save_before(source, kept, NOON_MS + 9) is None, "there is nothing to do"
    assert made[-1] is not None
    assert {item.name for item in Reader(made[-1]).manifest.tables} == before.keys()
    source.database.close()
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"\xa5" * 9000)
    broken = Source(Database(f"sqlite:///{damaged}"), source.key, source.settings)
    assert save_before(broken, kept, NOON_MS + 10) is None, "it is made anew, or refused"
    broken.database.close()


def test_a_backup_is_rehearsed_without_a_trace(made: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    assert rehearse(Reader(made), tmp_path / "scratch.db")["meters"] == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_backup_that_cannot_be_written_leaves_nothing(store: Store, store_url: str, tmp_path: Path) -> None:
    source = _source(tmp_path, store_url)
    store.check()
    with pytest.raises(NotWritten, match="No such"):
        write(source, tmp_path / "nowhere" / "made.tar", NOON_MS)
    source.database.close()


# What may have become of a file.


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that nobody changes."""
    directory = tmp_path_factory.mktemp("sample")
    source = _source(directory, f"sqlite:///{directory}/store.db")
    store = open_store(source.database.url, Vault.load(source.key), clock=StillClock(), resolve_hosts=unresolved)
    store.upgrade()
    fill(store)
    store.close()
    write(source, directory / "sample.tar", NOON_MS, with_key=True)
    source.database.close()
    return directory / "sample.tar"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_one_octet_that_changed_is_found_or_was_padding(sample: Path, tmp_path: Path, place: float, mask: int) -> None:
    octets = bytearray(sample.read_bytes())
    octets[int(place * len(octets))] ^= mask
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(octets)
    try:
        Reader(damaged).check()
        counts = rehearse(Reader(damaged), tmp_path / "scratch.db")
    except BadBackup:
        return
    assert counts["meters"] == 2
    assert _contents(damaged) == _contents(sample)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_file_that_was_cut_is_no_backup(sample: Path, tmp_path: Path, part: float) -> None:
    octets = sample.read_bytes()
    (tmp_path / "cut.tar").write_bytes(octets[: int(len(octets) * part)])
    with pytest.raises(BadBackup):
        Reader(tmp_path / "cut.tar").check()


def test_the_damaged_member_is_named(sample: Path, tmp_path: Path) -> None:
    name = "tables/meters.jsonl.gz"
    damaged = _rewritten(sample, tmp_path / "x.tar", {name: _contents(sample)[name][:-9] + b"damaged!!"})
    with pytest.raises(BadBackup, match=r"tables/meters\.jsonl\.gz: is damaged"):
        Reader(damaged).check()
    with pytest.raises(BadBackup, match=r"tables/meters\.jsonl\.gz"):
        rehearse(Reader(damaged), tmp_path / "scratch.db")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "tables/../x.jsonl.gz", "tables/a.jsonl", "x", ""])
def test_no_member_has_a_name_of_its_own_choice(sample: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadBackup):
        Reader(_rewritten(sample, tmp_path / "x.tar", {}, extra=tarfile.TarInfo(name)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_a_member_is_a_plain_file(sample: Path, tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("tables/x.jsonl.gz")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(BadBackup, match="is no member"):
        Reader(_rewritten(sample, tmp_path / "x.tar", {}, extra=member))


@pytest.mark.parametrize(
    "change",
    [
        lambda _document: [],
        lambda _document: {},
        lambda document: document | {"format": "another"},
        lambda document: document | {"version": 2},
        lambda document: document | {"tables": [{"name": "../x", "columns": [], "kinds": [], "rows": 0}]},
        lambda document: document | {"tables": [{"name": "x", "columns": ["a"], "kinds": [], "rows": 0}]},
        lambda document: document | {"numbers": [1]},
        lambda document: document | {"made_ms": "soon"},
        lambda document: document | {"checksums": {}},
    ],
)
def test_a_manifest_that_is_none_is_refused(
    sample: Path, tmp_path: Path, change: Callable[[dict[str, object]], object]
) -> None:
    with pytest.raises(BadBackup):
        Reader(_changed(sample, tmp_path / "x.tar", change))


@pytest.mark.parametrize(("rows", "why"), [(1, "goes on"), (3, "ends in row 3")])
def test_a_manifest_that_counts_wrongly_is_refused(sample: Path, tmp_path: Path, rows: int, why: str) -> None:
    def change(document: dict[str, object]) -> dict[str, object]:
        tables = document["tables"]
        assert isinstance(tables, list)
        return document | {"tables": [item | ({"rows": rows} if item["name"] == "meters" else {}) for item in tables]}

    with pytest.raises(BadBackup, match=f"tables/meters.jsonl.gz: {why}"):
        rehearse(Reader(_changed(sample, tmp_path / "x.tar", change)), tmp_path / "scratch.db")


def test_a_column_that_the_schema_has_not_is_refused(sample: Path, tmp_path: Path) -> None:
    def change(document: dict[str, object]) -> dict[str, object]:
        return json.loads(json.dumps(document).replace('"ip_address"', '"nonsense); DROP"'))  # type: ignore[no-any-return]

    with pytest.raises(Exception, match="nonsense"):
        rehearse(Reader(_changed(sample, tmp_path / "x.tar", change)), tmp_path / "scratch.db")


def _contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def _table(path: Path, name: str) -> bytes:
    (entry,) = (item for item in Reader(path).manifest.tables if item.name == name)
    return b"".join(Reader(path).lines(entry))


def _rewritten(source: Path, target: Path, contents: Mapping[str, bytes], extra: tarfile.TarInfo | None = None) -> Path:
    with tarfile.open(target, "w:", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in {**_contents(source), **contents}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if extra is not None:
            archive.addfile(extra, io.BytesIO(b""))
    return target


def _changed(source: Path, target: Path, change: Callable[[dict[str, object]], object]) -> Path:
    manifest = json.dumps(change(json.loads(_contents(source)[MANIFEST]))).encode()
    return _rewritten(source, target, {MANIFEST: manifest, SEAL: _sealed(manifest)})


def _sealed(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  manifest.json\n".encode()


def test_the_checksums_are_those_that_sha256sum_computes(sample: Path) -> None:
    manifest = Reader(sample).manifest
    contents = _contents(sample)
    assert {name: hashlib.sha256(contents[name]).hexdigest() for name in manifest.checksums} == manifest.checksums
    assert os.fspath(sample)
