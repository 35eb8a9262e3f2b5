"""The bench of the protocol core in short: every client reads right values, and ours costs less than the others."""

import pytest

from tests.bench.dlms.facts import Mode
from tests.bench.dlms.reader import WHERE
from tests.bench.dlms.rounds import measure

PEERS = ("gurux-dlms", "dlms-cosem", "pydlms-client")


@pytest.mark.slow
def test_every_client_reads_right_values_and_ours_at_the_least_cost() -> None:
    figures = measure(3)
    assert not [(mode, name) for mode in Mode for name in WHERE if figures[mode][name].wrong]
    for mode in (Mode.HDLC_VALUE, Mode.HDLC_LIST, Mode.WRAPPER_VALUE, Mode.WRAPPER_LIST, Mode.CIPHERED_VALUE):
        of_mode = figures[mode]
        if of_mode["ours"].reason:
            continue
        assert of_mode["ours"].trips == (1 if mode.by_list else 10)
        assert of_mode["ours"].ratio < min(of_mode[peer].ratio for peer in PEERS), mode
