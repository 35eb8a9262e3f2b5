"""One file of a family: what is right is taken, what is wrong is named with file and key."""

from textwrap import dedent

import pytest

from common.meter_model import Ability, Origin, QuirkWord, Scope, Status
from common.model_file import MAX_OCTETS, BadModel, parse_model

LEAST = dedent("""\
    name = "plain"
    title = "Plain"
    addressing = "none"
    security = "none"
    reading = "facts only"
    [assume]
    transport = "hdlc"
    port = 3333
    client_id = 16
    server_logical = 1
    authentication = "none"
    channel = 7
    """)
REPLAYED = LEAST.replace("facts only", "replayed")
SHOWN = """
[[evidence]]
scope = "reading"
origin = "{origin}"
replay = "{replay}"
says = "x"
"""
FULL = (
    LEAST
    + """
server_physical = 17
address_size = 4
referencing = "sn"
[expected]
conformance = "00301d"
max_pdu = 500
max_info = 128
window = 3
lists = "no"
blocks = "yes"
[timing]
push = "each second"
[[sap]]
client = 1
name = "one"
authentication = ["lls", "hls-gmac"]
[[quirk]]
word = "no-lists"
says = "never"
[[source]]
title = "book"
says = "all"
[[evidence]]
scope = "frames"
origin = "published"
vectors = ["a", "b"]
says = "frames"
[[profile]]
obis = "99.1.0"
period_s = 900
columns = ["8/0-0:1.0.0/2"]
[measurements]
voltage_l1 = { obis = "32.7.0", unit = "V" }
clock = { obis = "0-0:1.0.0", class = 8 }
"""
)


def test_what_is_left_out_has_its_default() -> None:
    found = parse_model(LEAST, "plain.toml")
    assert (found.name, found.transport, found.port, found.channel) == ("plain", "hdlc", 3333, 7)
    assert (found.server_physical, found.address_size, found.referencing) == (None, None, "ln")
    assert (found.about.reading, found.about.push) == (Status.FACTS_ONLY, Status.NOT_KNOWN)
    assert found.about.expected.lists is Ability.UNKNOWN
    assert found.about.expected.conformance is None
    assert not found.measurements


def test_all_that_a_file_says_is_taken() -> None:
    found = parse_model(FULL, "plain.toml")
    about = found.about
    assert (found.server_physical, found.address_size, found.referencing) == (17, 4, "sn")
    assert {key: (e.obis, e.class_id, e.attribute, e.unit) for key, e in found.measurements.items()} == {
        "voltage_l1": ("1-7:32.7.0", 3, 2, "V"),
        "clock": ("0-0:1.0.0", 8, 2, ""),
    }
    assert (about.expected.conformance, about.expected.window, about.expected.lists) == (0x00301D, 3, Ability.NO)
    assert about.timing == (("push", "each second"),)
    assert [(sap.client, sap.authentication) for sap in about.saps] == [(1, ("lls", "hls-gmac"))]
    assert [(quirk.word, quirk.word.meaning) for quirk in about.quirks] == [
        (QuirkWord.NO_LISTS, "GET-with-list is not granted: one round trip for each value")
    ]
    assert [(item.scope, item.origin, item.vectors) for item in about.evidence] == [
        (Scope.FRAMES, Origin.PUBLISHED, ("a", "b"))
    ]
    assert [(each.obis, each.period_s, each.columns) for each in about.profiles] == [
        ("1-0:99.1.0", 900, ("8/0-0:1.0.0/2",))
    ]
    assert [source.title for source in about.sources] == ["book"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", r"f\.toml: no TOML"),
        ("x" * (MAX_OCTETS + 1), r"f\.toml: longer than"),
        (LEAST.replace('"plain"', '"Plain One"'), r"f\.toml: name: lower case"),
        (LEAST.replace('name = "plain"', ""), r"f\.toml: name: a text was expected"),
        (LEAST.replace("channel = 7", ""), r"f\.toml: assume\.channel: is missing"),
        (LEAST.replace("channel = 7", "channel = 256"), r"assume\.channel: a whole number from 0 to 255"),
        (LEAST.replace("channel = 7", "channel = true"), r"assume\.channel: a whole number"),
        (LEAST.replace('"hdlc"', '"carrier pigeon"'), r"assume\.transport: one of hdlc, wrapper"),
        (LEAST + "address_size = 3", r"assume\.address_size: 1, 2 or 4"),
        (LEAST + "colour = 3", r"f\.toml: assume\.colour: is not known here"),
        ("colour = 3\n" + LEAST, r"f\.toml: colour: is not known here"),
        ("assume = 3\n" + LEAST.split("[assume]")[0], r"f\.toml: assume\.: a table was expected"),
        ("makers = [1]\n" + LEAST, r"makers: a list of texts"),
        ("sap = 3\n" + LEAST, r"sap: a list of tables"),
        ("sap = [3]\n" + LEAST, r"sap\[0\]\.: a table was expected"),
        (LEAST + '[[sap]]\nclient = 1\nname = "x"\nauthentication = ["song"]', r"sap\[0\]\.authentication: some of"),
        (LEAST + '[[quirk]]\nword = "moody"\nsays = "x"', r"quirk\[0\]\.word: one of "),
        (LEAST + '[expected]\nconformance = "30"', r"expected\.conformance: six hexadecimal"),
        (LEAST + "[timing]\npush = 3", r"timing\.push: a text was expected"),
        (LEAST + '[measurements]\nX = { obis = "1.8.0" }', r"measurements\.X: lower case"),
        (LEAST + '[measurements]\nx = { obis = "1.8" }', r"measurements\.x\.obis: .*is not an OBIS code"),
        (LEAST + "[measurements]\nx = { obis = '1.8.0', tone = 1 }", r"measurements\.x\.tone: is not known"),
        (REPLAYED, r"reading: claims replayed, and no evidence shows it"),
        (REPLAYED + SHOWN.format(origin="simulator", replay="x"), r"reading: claims replayed"),
        (REPLAYED + SHOWN.format(origin="maker", replay=""), r"reading: claims replayed"),
        ('push = "replayed"\n' + LEAST + SHOWN.format(origin="maker", replay="x"), r"push: claims replayed"),
    ],
)
def test_what_is_wrong_is_named(text: str, complaint: str) -> None:
    with pytest.raises(BadModel, match=complaint):
        parse_model(text, "f.toml")


def test_octets_of_a_meter_or_of_its_maker_make_a_family_replayed() -> None:
    found = parse_model(REPLAYED + SHOWN.format(origin="maker", replay="x"), "f.toml")
    assert found.about.reading is Status.REPLAYED
