"""Files of meters: what they say, what they would do, what they do; and what is refused, row by row."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from admin_api.transfer.bringing import bring
from admin_api.transfer.columns import COLUMNS
from admin_api.transfer.csv_form import dump_csv, parse_csv
from admin_api.transfer.planning import Mode, Outcome
from admin_api.transfer.rows import MAX_ROWS, BadImport, Row
from admin_api.transfer.yaml_form import dump_json, dump_yaml, parse_json, parse_yaml
from common.meter_state import DesiredState
from common.secret import Secret
from common.store.engine import Store, open_store
from common.store.model import MeterWish
from common.vault import Vault
from tests.support.installation import StillClock, opened, wish

TWO = b"name,ip_address,port,password\nm1,10.0.0.1,3333,22222222\nm2,10.0.0.2,3334,\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path, StillClock()) as found:
        yield found


def _outcomes(store: Store, rows: list[Row], mode: Mode = Mode.UPSERT) -> list[tuple[Outcome, str]]:
    return [(step.outcome, step.field) for step in bring(store, rows, mode, "test").plan.steps]


def test_a_file_has_every_field_of_a_meter() -> None:
    assert set(COLUMNS) == set(MeterWish.__dataclass_fields__)


def test_the_same_file_twice_changes_nothing(store: Store) -> None:
    first = bring(store, parse_csv(TWO), Mode.UPSERT, "test")
    assert (first.applied, first.plan.count(Outcome.CREATED)) == (True, 2)
    before = store.meters.list(), store.wishes_version()
    second = bring(store, parse_csv(TWO), Mode.UPSERT, "test")
    assert second.plan.count(Outcome.UNCHANGED) == 2
    assert (store.meters.list(), store.wishes_version()) == before
    assert store.meters.by_name("m1").wish.password == Secret("22222222")


def test_what_a_row_does_not_say_stays_as_it_is(store: Store) -> None:
    bring(store, parse_csv(TWO), Mode.UPSERT, "test")
    report = bring(store, parse_csv(b"name,interval_s,password\nm1,5,\n"), Mode.UPSERT, "test")
    assert report.plan.steps[0].changed == ("interval_s",)
    found = store.meters.by_name("m1")
    assert (found.revision, found.wish.interval_s, found.wish.password) == (2, 5.0, Secret("22222222"))


def test_one_refused_row_keeps_all_others_out(store: Store) -> None:
    rows = parse_csv(TWO + b"m3,10.0.0.3,99999,\nm4,10.0.0.4,zz,\n,10.0.0.5,,\n")
    report = bring(store, rows, Mode.UPSERT, "test")
    assert [(step.row, step.field) for step in report.plan.refused] == [(3, "port"), (4, "port"), (5, "name")]
    assert (report.applied, store.meters.list()) == (False, [])


def test_a_dry_run_tells_and_leaves_alone(store: Store) -> None:
    report = bring(store, parse_csv(TWO), Mode.UPSERT, "test", dry_run=True)
    assert (report.applied, report.document()["created"], store.meters.list()) == (False, 2, [])


def test_who_only_creates_changes_nobody(store: Store) -> None:
    bring(store, parse_csv(TWO), Mode.CREATE, "test")
    assert _outcomes(store, parse_csv(TWO), Mode.CREATE) == [(Outcome.UNCHANGED, "")] * 2
    other = parse_csv(TWO.replace(b"3334", b"3335"))
    assert _outcomes(store, other, Mode.CREATE) == [(Outcome.UNCHANGED, ""), (Outcome.REFUSED, "name")]


def test_a_uid_means_the_meter_whatever_its_name(store: Store) -> None:
    one, two = (store.meters.add(wish(f"m{n}", f"10.0.0.{n}"), "test") for n in (1, 2))
    text = f"uid,name\n{one.uid.hex()},m2\n{two.uid.hex()},m1\n"
    assert _outcomes(store, parse_csv(text.encode())) == [(Outcome.UPDATED, "")] * 2
    assert (store.meters.get(one.id).wish.name, store.meters.get(two.id).wish.name) == ("m2", "m1")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("name,ip_address,port\nm9,10.0.0.1,3333\n", "ip_address"),
        ("name,ip_address,port\nm9,alias.test,3333\n", "ip_address"),
        ("name,ip_address\nm8,10.0.0.8\nm9,10.0.0.8\n", "ip_address"),
        ("name,ip_address\nm9,10.0.0.8\nm9,10.0.0.9\n", "name"),
        ("name,interval_s\nold,3\nold,4\n", "name"),
        ("name,authentication\nold,lls\n", "password"),
        ("name,model\nold,nothing\n", "model"),
        ("name,limits\nold,[]\n", "limits"),
        ("name,measurements\nold,voltage_l1;nonsense\n", "measurements[1].measurement_name"),
        ("name,port\nold,1,2\n", "row"),
        ("name,port\nold,null\n", "port"),
    ],
)
def test_what_is_refused_names_its_field(store: Store, text: str, field: str) -> None:
    store.meters.add(wish("old", "10.0.0.1"), "test")
    outcome, found = _outcomes(store, parse_csv(text.encode()))[-1]
    assert (outcome, found) == (Outcome.REFUSED, field)


def test_meters_may_exchange_their_lines(store: Store) -> None:
    for number in (1, 2):
        store.meters.add(wish(f"m{number}", f"10.0.0.{number}"), "test")
    swapped = parse_csv(b"name,ip_address\nm1,10.0.0.2\nm2,10.0.0.1\n")
    assert _outcomes(store, swapped) == [(Outcome.UPDATED, "")] * 2


@pytest.mark.parametrize(
    "octets",
    [
        *(b"", b"nonsense\nm1\n", b"name,name\nm1,m2\n", b"\xff\xfe", b'name,port\n"m1,2'),
        b"name\n" + b"m\n" * (MAX_ROWS + 1),
        b"name\n" + b"m" * (5 << 20),
    ],
    ids=["empty", "unknown", "twice", "no text", "open quotation", "too many", "too long"],
)
def test_what_is_no_csv_is_refused_as_a_whole(octets: bytes) -> None:
    with pytest.raises(BadImport):
        parse_csv(octets)


@pytest.mark.parametrize(
    "text",
    [
        *("", "name: m1", "- &a {name: m}\n- *a", "a: &a [x]\nb: [*a, *a]", "[" * 9, "- a: 1\n  a: 2\n", "- [}"),
        *("--- []\n--- []\n", "- ? [x]\n  : y", "[" + "[]," * 200_001 + "]", "- !!python/object/apply:os.abort []\n:"),
    ],
)
def test_what_is_no_list_of_meters_in_yaml_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(BadImport):
        parse_yaml(text.encode())


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"meters": {}}', "nan"])
def test_what_is_no_list_of_meters_in_json_is_refused_as_a_whole(text: str) -> None:
    with pytest.raises(BadImport):
        parse_json(text.encode())


def test_a_tag_makes_no_object() -> None:
    (row,) = parse_yaml(b"- name: !!python/name:os.system x\n")
    assert row.fields == {"name": "x"}


def test_yaml_means_what_the_field_means() -> None:
    text = """
    - name: 10000001
      ip_address: 10.0.0.1
      password: 00012345
      server_physical: null
      tb_host: "null"
      backfill: False
      limits: {reply_timeout_s: 12}
      measurements:
        - voltage_l1
        - {measurement_name: y, obis_code: 1-0:1.8.0, class: 3, sampling_interval: null, enabled: true}
    """
    (row,) = parse_yaml(text.encode())
    assert row.fields["name"] == "10000001"
    assert (row.fields["password"], row.fields["tb_host"], row.fields["backfill"]) == ("00012345", "null", False)
    assert row.fields["server_physical"] is None
    assert row.fields["limits"] == {"reply_timeout_s": 12.0}
    entry = {"measurement_name": "y", "obis_code": "1-0:1.8.0", "class": 3, "sampling_interval": None, "enabled": True}
    assert row.fields["measurements"] == ["voltage_l1", entry]


def test_a_spreadsheet_of_another_country_is_read() -> None:
    rows = parse_csv(b'\xef\xbb\xbfname;measurements\r\nm1;voltage_l1\r\n\r\nm2;"frequency;voltage_l1"\r\n')
    assert [row.fields["measurements"] for row in rows] == [["voltage_l1"], ["frequency", "voltage_l1"]]


def test_no_cell_is_a_formula(store: Store) -> None:
    device = '=HYPERLINK("http://x")'
    store.meters.add(replace(wish("-1"), tb_device_name=device), "test")
    text = dump_csv(store.meters.list())
    assert "'-1" in text
    assert "'=HYPERLINK" in text
    assert parse_csv(text.encode())[0].fields["tb_device_name"] == device


def test_no_secret_leaves(store: Store) -> None:
    secret = Secret("5ecret")
    made = replace(wish(), authentication="lls", password=secret, tb_token=secret)
    store.meters.add(made, "test")
    for dump in (dump_csv, dump_yaml, dump_json):
        text = dump(store.meters.list())
        assert "5ecret" not in text
        assert "password_set" in text


def test_a_thousand_meters_are_one_revision_of_the_wishes(store: Store) -> None:
    lines = [f"m{number},10.0.{number // 250}.{number % 250}" for number in range(1000)]
    before = store.wishes_version()
    report = bring(store, parse_csv("\n".join(["name,ip_address", *lines]).encode()), Mode.UPSERT, "test")
    assert (report.plan.count(Outcome.CREATED), store.wishes_version()) == (1000, before + 1)


def test_who_changes_a_meter_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    looked: list[int] = []
    stores: list[Store] = []

    def resolve(hosts: Iterable[str]) -> Mapping[str, frozenset[str]]:
        """Somebody edits a meter between plan and writing, the first time."""
        looked.append(len(list(hosts)))
        if len(looked) == 1:
            meters = stores[0].meters
            meters.set_desired(meters.by_name("m1").id, DesiredState.PAUSED, "another")
        return {}

    with opened(tmp_path, StillClock()) as plain:
        plain.meters.add(wish("m1", "10.0.0.1"), "test")
        vault = Vault.load(tmp_path / "master.key")
        store = open_store(f"sqlite:///{tmp_path / 'store.db'}", vault, resolve_hosts=resolve)
        stores.append(store)
        try:
            text = b"name,ip_address,interval_s\nm1,10.0.0.1,5\nm2,10.0.0.2,\n"
            assert bring(store, parse_csv(text), Mode.UPSERT, "test").applied
            found = store.meters.by_name("m1")
            assert (found.revision, found.wish.interval_s) == (3, 5.0)
            assert found.wish.desired_state is DesiredState.PAUSED
        finally:
            store.close()
    assert len(looked) == 2
