"""Whatever JSON comes as a body: a wish that the store takes, or an error that names a field. Nothing else."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from admin_api.completing import changed_meter, new_meter
from admin_api.schemas.commands import CommandBody, Patience
from admin_api.schemas.meters import READ_ONLY, MeterChange, NewMeter
from common.store.errors import BadWish
from common.store.rules import check
from tests.support.installation import wish

FIELDS = (
    *("name", "ip_address", "port", "transport", "client_id", "server_logical", "server_physical", "address_size"),
    *("authentication", "password", "model", "interval_s", "desired_state", "line_mode", "tb_enabled", "tb_host"),
    *("tb_port", "tb_token", "tb_device_name", "limits", "measurements", *READ_ONLY),
)
WORDS = (
    "m",
    "10.0.0.1",
    "hdlc",
    "wrapper",
    "lls",
    "none",
    "generic",
    "running",
    "shared",
    "frequency",
    "reply_timeout_s",
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=80),
    st.sampled_from(WORDS),
    st.integers(1, 130),
)
KEYS = st.one_of(st.text(max_size=8), st.sampled_from((*WORDS, "obis_code", "class", "measurement_name", "tb_key")))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
BODIES = st.one_of(
    JSON,
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8).map(
        lambda body: {"name": "m", "ip_address": "h"} | body
    ),
)


def _refused(read: Callable[[], object]) -> str | None:
    """Return the field that is refused, None if nothing is."""
    try:
        read()
    except BadWish as error:
        return error.field
    return None


@given(BODIES)
def test_a_body_is_a_meter_or_names_a_field(body: object) -> None:
    assert _refused(lambda: check(new_meter(NewMeter.read(body)))) != ""


@given(BODIES)
def test_a_body_is_a_change_or_names_a_field(body: object) -> None:
    assert _refused(lambda: check(changed_meter(MeterChange.read(body), wish()))) != ""


@given(JSON, st.text(max_size=20))
def test_options_are_bounded_or_name_a_field(body: object, wait: str) -> None:
    def bounded() -> None:
        assert 0 <= Patience.read({"wait": wait}).wait <= 30
        assert 1 <= CommandBody.read(body).timeout_s <= 300

    assert _refused(bounded) != ""
