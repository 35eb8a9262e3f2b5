"""OBIS codes: parse, print, order; a table of bad texts."""

import pytest

from common.obis import BadObis, Obis


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("1-0:1.8.0", (1, 0, 1, 8, 0, 255)),
        ("1-1:32.7.0*255", (1, 1, 32, 7, 0, 255)),
        ("0-0:96.1.0*7", (0, 0, 96, 1, 0, 7)),
        ("1.0.1.8.0.255", (1, 0, 1, 8, 0, 255)),
        ("255-255:255.255.255*255", (255,) * 6),
        ("000-0:0.0.0", (0, 0, 0, 0, 0, 255)),
    ],
)
def test_texts_and_their_groups(text: str, groups: tuple[int, ...]) -> None:
    code = Obis.parse(text)
    assert (code.a, code.b, code.c, code.d, code.e, code.f) == groups
    assert Obis.parse(str(code)) == code
    assert Obis.from_bytes(code.to_bytes()) == code


def test_the_short_form_needs_a_and_b() -> None:
    assert Obis.parse("1.8.0", a=1, b=1) == Obis(1, 1, 1, 8, 0)
    with pytest.raises(BadObis):
        Obis.parse("1.8.0")
    with pytest.raises(BadObis):
        Obis.parse("1.8.0", a=1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected A-B:C.D.E"),
        (" 1-0:1.8.0", "expected"),
        ("1-0:1.8.0\n", "expected"),
        ("1-0:1.8", "expected"),
        ("1-0:1.8.0.255", "expected"),
        ("1-0:1.8.0*", "expected"),
        ("-1-0:1.8.0", "expected"),
        ("1-0:1.8.0x", "expected"),
        ("1-0:1.8.256", "group E of an OBIS code must be 0 to 255, not 256"),
        ("999-0:1.8.0", "group A"),
        ("1.2.3.4.5", "expected"),
        ("1.2.3.4.5.6.7", "expected"),
        ("١-0:1.8.0", "not ASCII"),
        ("1" * 100, "too long"),
    ],
)
def test_bad_texts_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(BadObis) as caught:
        Obis.parse(text)
    assert says in caught.value.detail
    assert caught.value.kind == "bad_obis"


@pytest.mark.parametrize("octets", [b"", b"12345", b"1234567"])
def test_a_logical_name_has_six_octets(octets: bytes) -> None:
    with pytest.raises(BadObis):
        Obis.from_bytes(octets)


def test_f_is_printed_only_where_it_says_something() -> None:
    assert str(Obis(1, 0, 1, 8, 0)) == "1-0:1.8.0"
    assert str(Obis(1, 0, 1, 8, 0, 1)) == "1-0:1.8.0*1"


def test_codes_are_ordered_by_their_groups() -> None:
    codes = [Obis(1, 0, 2, 8, 0), Obis(1, 0, 1, 8, 1), Obis(0, 0, 96, 1, 0), Obis(1, 0, 1, 8, 0)]
    assert [str(code) for code in sorted(codes)] == ["0-0:96.1.0", "1-0:1.8.0", "1-0:1.8.1", "1-0:2.8.0"]
