"""Keys of a meter in the words of the protocol."""

from pathlib import Path

import pytest

from poller.dlms.association import Mechanism
from poller.dlms.errors import BadParameter
from poller.dlms.security import Security
from poller.keys import Keys, load_keys

KEY = bytes(range(16))


def test_a_keys_file(tmp_path: Path) -> None:
    path = tmp_path / "meter.keys"
    path.write_text(f"encryption_key = {KEY.hex()}\nhls_secret = hex:00ff\n")
    path.chmod(0o600)
    assert load_keys(path) == Keys(KEY, hls_secret=b"\x00\xff")


def test_nothing_prints_a_key() -> None:
    keys = Keys(KEY, KEY, KEY, b"p", b"h")
    assert repr(keys) == str(keys) == "Keys()"


def test_each_mechanism_has_its_secret() -> None:
    both, one = Keys(password=b"p", hls_secret=b"h"), Keys(password=b"p")
    assert [both.secret_for(mechanism) for mechanism in Mechanism] == [b"", b"p", b"h", b"h", b"h", b"h"]
    assert one.secret_for(Mechanism.HLS_MD5) == b"p"


def test_keys_make_settings() -> None:
    keys = Keys(KEY, KEY, KEY)
    made = keys.security(Security.BOTH, b"CLIENT01", server_title=b"METER001", suite=1, dedicated=True, general=True)
    assert (made.level, made.suite, made.client_title, made.server_title) == (
        Security.BOTH,
        1,
        b"CLIENT01",
        b"METER001",
    )
    assert (made.encryption_key, made.authentication_key, made.broadcast_key) == (KEY, KEY, KEY)
    assert made.dedicated
    assert made.general
    with pytest.raises(BadParameter):
        Keys().security(Security.BOTH, b"CLIENT01")
