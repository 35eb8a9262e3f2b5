"""Meters to a file and back: nothing is lost but secrets, and a file that was just written changes nothing."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.completing import new_meter
from admin_api.schemas.meters import NewMeter
from admin_api.transfer.csv_form import dump_csv, parse_csv
from admin_api.transfer.planning import Mode, Outcome, plan_import
from admin_api.transfer.rows import BadImport, Row
from admin_api.transfer.yaml_form import dump_json, dump_yaml, parse_json, parse_yaml
from common.meter_state import DesiredState
from common.store.errors import BadWish
from common.store.model import MeasurementWish, Meter, MeterWish
from common.store.rules import check, measurements_of

Parse = Callable[[bytes], list[Row]]
FORMS = [(dump_csv, parse_csv), (dump_yaml, parse_yaml), (dump_json, parse_json)]
TEXT = st.text(st.characters(blacklist_categories=("C", "Z"), whitelist_characters=" "), max_size=20)
WORDS = st.sampled_from(["null", "~", "true", "007", "1e3", "=1+1", "'x", " y ", "-", "ñ", "1:30", "m"])
MEASUREMENTS = st.one_of(
    st.just(measurements_of("microstar")),
    st.builds(
        MeasurementWish,
        measurement_name=st.sampled_from(["a", "true", "007", "null"]),
        obis_code=st.just("1-0:1.8.0"),
        class_id=st.integers(1, 65535),
        attribute=st.integers(1, 127),
        enabled=st.booleans(),
        sampling_interval=st.none() | st.floats(0.1, 86_400),
        tb_key=st.sampled_from(["", "k", "null"]),
    ).map(lambda item: (item, *measurements_of("microstar", ["frequency"]))),
)


def _sound(wish: MeterWish) -> bool:
    try:
        check(wish)
    except BadWish:
        return False
    return True


WISHES = st.builds(
    MeterWish,
    name=TEXT | WORDS,
    ip_address=st.sampled_from(["10.0.0.1", "::1", "meter.example", "null"]),
    port=st.integers(1, 65535),
    transport=st.sampled_from(["hdlc", "wrapper"]),
    client_id=st.integers(1, 127),
    server_logical=st.integers(1, 127),
    server_physical=st.none() | st.integers(0, 127),
    address_size=st.sampled_from([None, 1, 2, 4]),
    interval_s=st.floats(0.1, 86_400),
    desired_state=st.sampled_from(DesiredState),
    tb_enabled=st.booleans(),
    tb_host=st.sampled_from(["", "tb.example", "null"]),
    tb_device_name=TEXT | WORDS,
    limits=st.sampled_from([{}, {"reply_timeout_s": 12.5}]),
    backfill=st.booleans(),
    load_profile=st.sampled_from(["", "1-0:99.1.0"]),
    measurements=MEASUREMENTS,
).filter(_sound)


@pytest.mark.parametrize(("dump", "parse"), FORMS, ids=["csv", "yaml", "json"])
@given(wish=WISHES)
def test_what_is_written_is_read_again(dump: Callable[[Iterable[Meter]], str], parse: Parse, wish: MeterWish) -> None:
    meter = Meter(1, bytes(16), 1, 0, 0, None, False, wish)
    rows = parse(dump([meter]).encode())
    assert [row.error for row in rows] == [None]
    (step,) = plan_import(rows, [meter], Mode.UPSERT, {}).steps
    assert (step.outcome, step.changed) == (Outcome.UNCHANGED, ())
    (made,) = plan_import(rows, [], Mode.CREATE, {}).steps
    assert made.wish == wish
    assert new_meter(NewMeter.read(rows[0].fields)) == wish


@given(wish=WISHES, other=WISHES)
def test_a_second_import_changes_nothing(wish: MeterWish, other: MeterWish) -> None:
    there = Meter(1, bytes(16), 1, 0, 0, None, False, replace(other, name=wish.name))
    rows = parse_csv(dump_csv([Meter(7, bytes(15) + b"x", 1, 0, 0, None, False, wish)]).encode())
    (first,) = plan_import(rows, [there], Mode.UPSERT, {}).steps
    after = replace(there, wish=first.wish or there.wish)
    assert plan_import(rows, [after], Mode.UPSERT, {}).steps[0].outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("parse", [parse_csv, parse_yaml, parse_json])
@given(octets=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_comes_is_rows_or_refused(parse: Parse, octets: bytes) -> None:
    with suppress(BadImport):
        plan_import(parse(octets), [], Mode.UPSERT, {})
