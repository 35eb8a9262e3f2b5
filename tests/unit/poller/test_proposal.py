"""A proposal in TOML: whatever a meter says of itself, it is an entry that can be read again."""

from hypothesis import given
from hypothesis import strategies as st

from common.meter_model import Ability
from common.model_file import parse_model
from common.obis import Obis
from poller.dlms.conversation import Mechanism, Profile, Referencing, Transport
from poller.proposal import Found, FoundProfile, Proposal

SECRET = b"s3cret-pw"
HDLC = Profile(Transport.HDLC, 1, 1, 17, 4, Mechanism.LLS, SECRET, referencing=Referencing.SN)
WRAPPER = Profile(Transport.WRAPPER, 16, 1)


def proposal(profile: Profile = HDLC, serial: str = "1", reason: str = "denied") -> Proposal:
    return Proposal(
        profile,
        0x00301D,
        500,
        128 if profile is HDLC else None,
        1 if profile is HDLC else None,
        Ability.UNKNOWN,
        12,
        0,
        serial,
        "",
        (
            Found("active_energy", Obis(1, 0, 1, 8, 0), 3, 2, -1, "Wh"),
            Found("flag", Obis(1, 0, 9, 9, 9), 1, 2, None, None),
        ),
        (("frequency", reason),),
        (FoundProfile(Obis(1, 0, 99, 1, 0), 900, ("8/0-0:1.0.0/2",)), FoundProfile(Obis(1, 0, 99, 2, 0), None, ())),
        20,
    )


def test_an_entry_has_all_that_is_known() -> None:
    text = proposal().to_toml("hall", 3333)
    found = parse_model(text, "hall.toml")
    assert (found.server_physical, found.address_size, found.authentication, found.referencing) == (17, 4, "lls", "sn")
    expected = found.about.expected
    assert (expected.max_info, expected.window) == (128, 1)
    assert (expected.lists, expected.blocks, expected.selection) == (Ability.UNKNOWN, Ability.YES, Ability.YES)
    assert [(each.obis, each.period_s) for each in found.about.profiles] == [("1-0:99.1.0", 900), ("1-0:99.2.0", None)]
    assert "# frequency is not here" in text
    assert "scaler -1" in text


def test_no_secret_is_in_it() -> None:
    assert SECRET.decode() not in proposal().to_toml("hall", 3333)


def test_wrapper_has_no_frames() -> None:
    found = parse_model(proposal(WRAPPER).to_toml("hall", 4059), "hall.toml")
    assert (found.transport, found.server_physical, found.address_size) == ("wrapper", None, None)
    assert (found.about.expected.max_info, found.about.expected.window) == (None, None)


@given(serial=st.text(max_size=300), reason=st.text(max_size=300))
def test_whatever_a_meter_says_is_read_again(serial: str, reason: str) -> None:
    text = proposal(serial=serial, reason=reason).to_toml("hall", 3333)
    assert parse_model(text, "hall.toml").about.meters[0].startswith("serial number ")
