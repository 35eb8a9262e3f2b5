"""Keys files: what they say, what is refused, and that nothing of them is shown."""

from pathlib import Path

import pytest

from common.key_file import BadKeys, load_key_file, system_title

KEY = bytes(range(16))
FULL = """
# of the meter in the cellar
encryption_key = 000102030405060708090a0b0c0d0e0f
authentication_key=hex:D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF
  broadcast_key = "sixteen letters!"

password = "22222222"
hls_secret = hex:00ff
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "meter.keys"


def written(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_a_full_file(path: Path) -> None:
    keys = load_key_file(written(path, FULL))
    assert keys == {
        "encryption_key": KEY,
        "authentication_key": bytes(range(0xD0, 0xE0)),
        "broadcast_key": b"sixteen letters!",
        "password": b"22222222",
        "hls_secret": b"\x00\xff",
    }


def test_an_empty_file_has_no_keys(path: Path) -> None:
    assert load_key_file(written(path, "")) == {}


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ('password = "a = b # c"', b"a = b # c"),
        ('password = "quote " inside"', b'quote " inside'),
        ('password = "Grüße"', "Grüße".encode()),
        ('password = ""', b""),
        ("password = hex:3232", b"22"),
    ],
)
def test_passwords_are_text_in_quotes_or_hex(path: Path, line: str, secret: bytes) -> None:
    assert load_key_file(written(path, line)) == {"password": secret}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644, 0o777])
def test_a_file_that_others_may_open_is_refused(path: Path, mode: int) -> None:
    with pytest.raises(BadKeys, match="open to other users"):
        load_key_file(written(path, FULL, mode))


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_the_owners_own_rights_do_not_matter(path: Path, mode: int) -> None:
    assert load_key_file(written(path, FULL, mode))["encryption_key"] == KEY


SECRET = "5ec4e7c0ffee5ec4e7c0ffee5ec4e7"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (f"encryption_key = {SECRET}", "line 1: encryption_key needs 32 hexadecimal digits"),
        (f"authentication_key = hex:{SECRET}", "authentication_key needs 32"),
        (f'broadcast_key = "{SECRET}"', "broadcast_key has 30 octets"),
        (f"broadcast_key = {SECRET}zz", "broadcast_key needs 32"),
        (f"password = {SECRET}", "password needs hex: and digits, or text in double quotes"),
        (f"password = '{SECRET}'", "password needs hex:"),
        (f'password = "{SECRET}', "password needs hex:"),
        ("password = hex:0", "password needs hex:"),
        ('password = "', "password needs hex:"),
        (f'hls_secret = "{SECRET * 9}"', "hls_secret is longer than 255"),
        (f"{SECRET}", "line 1: expected one of encryption_key"),
        (f"key = {SECRET}", "line 1: expected one of"),
        (f'password = "{SECRET}"\npassword = "{SECRET}"', "line 2: password stands there twice"),
    ],
)
def test_a_bad_field_is_named_and_not_shown(path: Path, line: str, named: str) -> None:
    with pytest.raises(BadKeys, match=named) as refusal:
        load_key_file(written(path, line))
    assert SECRET[:8] not in refusal.value.detail


def test_what_is_no_file_of_ours(path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match="No such file"):
        load_key_file(path)
    with pytest.raises(BadKeys, match="directory"):
        load_key_file(tmp_path)
    with pytest.raises(BadKeys, match="longer than 4096"):
        load_key_file(written(path, "#" * 5000))
    with pytest.raises(BadKeys, match="UTF-8"):
        load_key_file(written(path, b"\xff\xfe"))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", b""),
        ("4d4d4d0000bc614e", b"MMM\0\0\xbcaN"),
        ("hex:4d4d4d0000bc614e", b"MMM\0\0\xbcaN"),
        ('"CLIENT01"', b"CLIENT01"),
        ("CLIENT01", b"CLIENT01"),
    ],
)
def test_a_system_title(text: str, title: bytes) -> None:
    assert system_title(text) == title


@pytest.mark.parametrize("text", ["4d4d", "CLIENT", '"CLIENT01', '"CLIENT"', "hex:", "zz"])
def test_a_system_title_that_is_none(text: str) -> None:
    with pytest.raises(BadKeys, match="system title"):
        system_title(text)
