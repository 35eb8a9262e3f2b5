"""Opening and releasing associations: a captured session octet by octet, and a scripted meter with every mechanism."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import pytest

from common.errors import BridgeError
from common.obis import Obis
from poller.dlms.acse import Aarq, MechanismName, decode_release
from poller.dlms.apdu import decode_apdu
from poller.dlms.association import Association, Mechanism
from poller.dlms.ber import encode_field
from poller.dlms.channel import Channel
from poller.dlms.ciphered import decode_ciphered
from poller.dlms.ciphering import Cipher
from poller.dlms.data import Data, DataType
from poller.dlms.descriptors import AttributeRef
from poller.dlms.errors import (
    AssociationRefused,
    AuthenticationFailed,
    BadData,
    BadParameter,
    CounterExhausted,
    CounterRefused,
    DecipheringFailed,
    ExceptionResponse,
    ObjectUndefined,
    ReplyTimeout,
    UnexpectedReply,
)
from poller.dlms.exchange import Counters, Exchange
from poller.dlms.opening import (
    FRAME_COUNTER,
    MAX_PUSHES,
    associate,
    next_counter,
    public_profile,
    release,
    resynchronise,
)
from poller.dlms.profile import Profile, Referencing, Transport
from poller.dlms.security import MAX_COUNTER, MAX_RESYNC, Security, SecuritySettings
from tests.support.dlms_drive import run_against
from tests.support.keyring import FixedSource, mirrored, settings

VECTORS: Final = Path(__file__).parents[3] / "vectors" / "dlms_public.json"
SECRET: Final = b"shared secret"
CTOS, STOC = b"C" * 16, b"S" * 16
GRANTED = bytes.fromhex("0800065f1f040000301d19000007")
DIGESTS: Final[dict[Mechanism, Callable[[bytes, bytes, bytes], bytes]]] = {
    Mechanism.HLS_MD5: lambda _titles, challenge, _own: hashlib.md5(challenge + SECRET).digest(),
    Mechanism.HLS_SHA1: lambda _titles, challenge, _own: hashlib.sha1(challenge + SECRET).digest(),
    Mechanism.HLS_SHA256: lambda titles, challenge, own: hashlib.sha256(SECRET + titles + challenge + own).digest(),
}
HIGH: Final = [*DIGESTS, Mechanism.HLS_GMAC]
NAMES: Final = {Mechanism.HLS_MD5: 3, Mechanism.HLS_SHA1: 4, Mechanism.HLS_GMAC: 5, Mechanism.HLS_SHA256: 6}


def wrapped(apdu: bytes) -> bytes:
    return b"\0\1\0\1\0\1" + len(apdu).to_bytes(2, "big") + apdu


def profile_of(mechanism: Mechanism, security: SecuritySettings, **other: Any) -> Profile:
    return Profile(Transport.WRAPPER, 1, 1, mechanism=mechanism, secret=SECRET, security=security, **other)


def channel_of(profile: Profile, source: FixedSource | None = None) -> Channel:
    counters = Counters()
    cipher = Cipher(profile.security, source or FixedSource(draws=[CTOS]), counters) if profile.needs_source else None
    return Channel(profile, profile.make_link(counters), counters, cipher)


@dataclass
class Meter:
    """Answers AARQ, pass 3 and RLRQ from its own side of the keys; hooks spoil what it answers."""

    mechanism: Mechanism
    security: SecuritySettings
    answers: list[bytes | None] = field(default_factory=list)
    """Sent instead of its own, first to last; empty: its own."""
    proof: Callable[[bytes], bytes] = lambda proof: b"\0\1\0\x09" + bytes((len(proof),)) + proof
    """From its proof to what stands behind the invoke id of its action-response."""
    grant: bytes = GRANTED
    tells_title: bool = True
    requests: list[bytes] = field(default_factory=list)
    proven: bool = False

    def __post_init__(self) -> None:
        self.cipher = Cipher(mirrored(self.security), FixedSource(100), Counters())
        self.challenge = b""

    def __call__(self, sent: bytes) -> bytes | None:
        apdu = sent[8:]
        self.requests.append(apdu)
        answer = self.answers.pop(0) if self.answers else b""
        if answer == b"":
            answer = self._answer(apdu)
        return None if answer is None else wrapped(answer)

    def _answer(self, apdu: bytes) -> bytes:
        if apdu[0] == 0x60:
            return self._aare(apdu)
        if apdu[0] == 0x62:
            return bytes.fromhex("6303800100")
        plain = self.cipher.unprotect_fresh(apdu)
        assert plain is not None
        return self.cipher.protect(self._reply(plain))

    def _aare(self, octets: bytes) -> bytes:
        aarq = decode_apdu(octets)
        assert isinstance(aarq, Aarq)
        self.challenge = aarq.secret or b""
        self.cipher.begin()
        initiate = decode_apdu(self.cipher.unprotect(aarq.user_information))
        self.cipher.dedicated_key = getattr(initiate, "dedicated_key", None) or b""
        granted = self.cipher.protect_initiate(self.grant) if self.cipher.protects else self.grant
        content = encode_field(0xA1, b"\x06\x07\x60\x85\x74\x05\x08\x01" + bytes((aarq.context,)))
        content += bytes.fromhex("a203020100") + bytes((0xA3, 5, 0xA1, 3, 2, 1, 14 if self.mechanism.high_level else 0))
        if self.tells_title:
            content += encode_field(0xA4, encode_field(4, self.security.server_title))
        if self.mechanism.high_level:
            content += encode_field(0x89, bytes.fromhex("608574050802") + bytes((NAMES[self.mechanism],)))
            content += encode_field(0xAA, encode_field(0x80, STOC))
        return encode_field(0x61, content + encode_field(0xBE, encode_field(4, granted)))

    def _reply(self, plain: bytes) -> bytes:
        """Check the client's proof, return ours; with long or short names."""
        short = plain[0] == 0x05
        invoke = b"" if short else plain[2:3]
        method = b"\x00\x0f\0\0\x28\0\0\xff\x01\x01\x09"
        head = b"\x05\x01\x04\xfa\x58\x00\x09" if short else b"\xc3\x01" + invoke + method
        assert plain.startswith(head)
        self.proven = self._right(plain[len(head) + 1 :])
        proof = self.proof(self._proof())
        return b"\x0c\x01\x00" + proof[3:] if short else b"\xc7\x01" + invoke + proof

    def _right(self, proof: bytes) -> bool:
        if self.mechanism is Mechanism.HLS_GMAC:
            return self.cipher.check_gmac(proof, STOC)
        titles = self.security.client_title + self.security.server_title
        return proof == DIGESTS[self.mechanism](titles, STOC, self.challenge)

    def _proof(self) -> bytes:
        if self.mechanism is Mechanism.HLS_GMAC:
            return self.cipher.gmac(self.challenge)
        titles = self.security.server_title + self.security.client_title
        return DIGESTS[self.mechanism](titles, self.challenge, STOC)


def opened(mechanism: Mechanism, given: SecuritySettings, **meter: Any) -> tuple[Channel, Meter]:
    """Return a channel and its meter after the opening."""
    channel, peer = channel_of(profile_of(mechanism, given)), Meter(mechanism, given, **meter)
    run_against(associate(channel), peer)
    return channel, peer


# The captured session


def test_the_captured_session_with_gmac_is_opened_octet_by_octet() -> None:
    vectors = {vector["id"]: vector for vector in json.loads(VECTORS.read_text("utf-8"))["vectors"]}
    steps = [
        bytes.fromhex(vectors[f"heldout-gmac-{name}"]["hex"]) for name in ("aarq", "aare", "action-req", "action-resp")
    ]
    keys = {name: bytes.fromhex(octets) for name, octets in vectors["heldout-gmac-aarq"]["keys"].items()}
    aarq = decode_apdu(steps[0])
    assert isinstance(aarq, Aarq)
    assert aarq.secret is not None
    given = SecuritySettings(Security.BOTH, 0, b"ABCDEFGH", keys["ek"], keys["ak"])
    profile = profile_of(Mechanism.HLS_GMAC, given, conformance=0x401E5D)
    channel = channel_of(profile, FixedSource(1, [aarq.secret]))

    def peer(sent: bytes) -> bytes:
        assert sent[8:] == steps.pop(0)
        return wrapped(steps.pop(0))

    terms = run_against(associate(channel), peer)
    assert terms == channel.terms == Association(0x001E1D, 512, 7, True, b"ABCDEFGH", terms.server_challenge)
    assert not steps


# Every mechanism


@pytest.mark.parametrize("mechanism", HIGH)
@pytest.mark.parametrize("level", Security)
def test_both_sides_prove_themselves(mechanism: Mechanism, level: Security) -> None:
    channel, meter = opened(mechanism, settings(level))
    assert meter.proven
    assert channel.terms is not None
    assert not channel.terms.authentication_pending
    assert channel.terms.ciphered == (level is not Security.NONE)
    assert [apdu[0] for apdu in meter.requests] == [0x60, 0xC3 if level is Security.NONE else 0xCB]


@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LLS])
@pytest.mark.parametrize("level", Security)
def test_without_high_level_security_the_answer_opens(mechanism: Mechanism, level: Security) -> None:
    channel, meter = opened(mechanism, settings(level))
    assert channel.terms is not None
    assert len(meter.requests) == 1


@pytest.mark.parametrize(
    ("dedicated", "general", "tag"), [(True, False, 0xD3), (False, True, 0xDB), (True, True, 0xDC)]
)
def test_the_proof_travels_as_services_do(tag: int, *, dedicated: bool, general: bool) -> None:
    _, meter = opened(Mechanism.HLS_GMAC, settings(dedicated=dedicated, general=general))
    assert meter.proven
    assert meter.requests[1][0] == tag


@pytest.mark.parametrize("mechanism", HIGH)
def test_with_short_names_the_method_is_read(mechanism: Mechanism) -> None:
    channel = channel_of(profile_of(mechanism, settings(Security.NONE), referencing=Referencing.SN))
    meter = Meter(mechanism, settings(Security.NONE))
    run_against(associate(channel), meter)
    assert meter.proven
    assert meter.requests[1][:5] == b"\x05\x01\x04\xfa\x58"


def test_a_meter_that_tells_no_title_has_the_configured_one() -> None:
    _, meter = opened(Mechanism.HLS_GMAC, settings(), tells_title=False)
    assert meter.proven


@pytest.mark.parametrize(
    "push",
    ["0f0000000100 0203", "c20000", "1800010201000100", "ca050000000001", "38050000000001", "db00050000000001"],
)
def test_pushes_before_the_answer_are_dropped_and_counted(push: str) -> None:
    pushed = bytes.fromhex(push)
    given = settings(Security.NONE)
    channel, meter = channel_of(profile_of(Mechanism.LLS, given)), Meter(Mechanism.LLS, given)

    def peer(sent: bytes) -> bytes | None:
        answer = meter(sent)
        return answer and wrapped(pushed) * 3 + answer

    run_against(associate(channel), peer)
    assert channel.terms is not None
    assert channel.counters.notifications_dropped == 3


def test_a_meter_that_only_pushes_does_not_answer() -> None:
    channel = channel_of(profile_of(Mechanism.NONE, SecuritySettings()))
    with pytest.raises(UnexpectedReply):
        run_against(associate(channel), lambda _: wrapped(b"\xc2\0\0"))
    assert channel.counters.notifications_dropped == MAX_PUSHES


# What is no proof


def fails(meter: Meter, error: type[BridgeError], text: str, **profile: Any) -> Channel:
    """Check that an opening fails so, and leaves no association."""
    channel = channel_of(profile_of(meter.mechanism, meter.security, **profile))
    with pytest.raises(error, match=text):
        run_against(associate(channel), meter)
    assert channel.terms is None
    return channel


@pytest.mark.parametrize("mechanism", HIGH)
@pytest.mark.parametrize(
    ("proof", "text"),
    [
        (lambda proof: b"\0\1\0\x09" + bytes((len(proof),)) + bytes(len(proof)), "could not prove"),
        (lambda proof: b"\0\1\0\x09" + bytes((len(proof) - 1,)) + proof[:-1], "could not prove"),
        (lambda _: b"\0\1\0\x09\0", "could not prove"),
        (lambda _: b"\0\0", "no proof"),
        (lambda _: b"\0\1\0\x11\1", "no proof"),
        (lambda _: b"\3\0", "not accepted: read-write-denied"),
        (lambda _: b"\0\1\1\3", "not accepted: read-write-denied"),
    ],
)
def test_a_meter_that_cannot_prove_itself_is_refused(
    mechanism: Mechanism, proof: Callable[[bytes], bytes], text: str
) -> None:
    fails(Meter(mechanism, settings(Security.NONE), proof=proof), AuthenticationFailed, text)


def test_our_own_proof_sent_back_is_none() -> None:
    meter = Meter(Mechanism.HLS_GMAC, settings(Security.NONE))
    meter.proof = lambda _: b"\0\1\0\x09\x11" + meter.requests[-1][-17:]
    fails(meter, AuthenticationFailed, "could not prove")


@pytest.mark.parametrize("answer", [bytes.fromhex("c702c1 01 00000001 01 00"), bytes.fromhex("c703c1 02 0000 0000")])
def test_an_action_answered_in_another_way_is_no_proof(answer: bytes) -> None:
    meter = Meter(Mechanism.HLS_MD5, settings(Security.NONE), answers=[b"", answer])
    fails(meter, AuthenticationFailed, "could not prove")


def test_with_short_names_two_results_are_no_proof() -> None:
    meter = Meter(Mechanism.HLS_MD5, settings(Security.NONE), answers=[b"", bytes.fromhex("0c02 00 00 00 00")])
    fails(meter, AuthenticationFailed, "no proof", referencing=Referencing.SN)


@pytest.mark.parametrize("answer", ["d80102", "0e060006"])
def test_an_error_report_for_our_proof_is_a_refusal(answer: str) -> None:
    meter = Meter(Mechanism.HLS_SHA1, settings(Security.NONE), answers=[b"", bytes.fromhex(answer)])
    fails(meter, AuthenticationFailed, "our proof of the key was not accepted: the meter answers with")


def test_gmac_without_any_title_of_the_meter_cannot_be_checked() -> None:
    given = settings(Security.NONE)
    meter = Meter(Mechanism.HLS_GMAC, given, tells_title=False)
    channel = channel_of(profile_of(Mechanism.HLS_GMAC, replace(given, server_title=b"")))
    with pytest.raises(AuthenticationFailed, match="does not tell its system title"):
        run_against(associate(channel), meter)
    assert len(meter.requests) == 1


def test_a_meter_with_other_keys_is_refused() -> None:
    given = settings()
    meter = Meter(Mechanism.LLS, given)
    other = Cipher(mirrored(settings(encryption_key=bytes(16))), FixedSource(), Counters())
    grant = other.protect_initiate(GRANTED)
    meter.answers = [meter._aare(first_request(given))[: -len(grant)] + grant]
    fails(meter, AuthenticationFailed, "could not prove that it knows the key: .*tag does not confirm")


def first_request(given: SecuritySettings) -> bytes:
    exchange = associate(channel_of(profile_of(Mechanism.LLS, given)))
    return next(exchange)[8:]


def test_silence_for_our_proof_leaves_no_association() -> None:
    meter = Meter(Mechanism.HLS_GMAC, settings(), answers=[b"", None])
    fails(meter, ReplyTimeout, "silence")


def test_a_plain_answer_to_the_proof_leaves_no_association() -> None:
    meter = Meter(Mechanism.HLS_GMAC, settings(), answers=[b"", bytes.fromhex("c701c10000")])
    fails(meter, DecipheringFailed, "unprotected")


def test_high_level_security_without_a_source_is_a_mistake_of_ours() -> None:
    profile = profile_of(Mechanism.HLS_MD5, SecuritySettings())
    counters = Counters()
    with pytest.raises(BadParameter, match="source of challenges"):
        run_against(associate(Channel(profile, profile.make_link(counters), counters)), lambda _: None)


# The counter


def test_a_refused_counter_is_raised_and_the_association_opened() -> None:
    given = settings()
    meter = Meter(Mechanism.HLS_GMAC, given, answers=[bytes.fromhex("d8010600001000")])
    channel = channel_of(profile_of(Mechanism.HLS_GMAC, given), source := FixedSource())
    run_against(associate(channel), meter)
    assert meter.proven
    assert source.raised == [0x1001]
    again = decode_apdu(meter.requests[1])
    assert isinstance(again, Aarq)
    assert decode_ciphered(again.user_information).counter == 0x1001


def test_a_counter_refused_with_the_proof_is_raised_too() -> None:
    given = settings()
    meter = Meter(Mechanism.HLS_GMAC, given, answers=[b"", bytes.fromhex("d8010600002000")])
    channel = channel_of(profile_of(Mechanism.HLS_GMAC, given), source := FixedSource())
    run_against(associate(channel), meter)
    assert meter.proven
    assert source.raised == [0x2001]
    assert len(meter.requests) == 4


def test_a_meter_that_refuses_the_counter_it_asked_for_is_not_asked_again() -> None:
    refusals: list[bytes | None] = [bytes.fromhex("d8010600001000"), bytes.fromhex("d8010600001001"), b""]
    meter = Meter(Mechanism.LLS, settings(), answers=refusals)
    fails(meter, CounterRefused, "expects 4097")
    assert len(meter.requests) == 2


def test_a_refusal_that_would_use_up_the_key_is_not_obeyed() -> None:
    meter = Meter(Mechanism.LLS, settings(), answers=[bytes.fromhex("d80106ffffffff")])
    channel = fails(meter, CounterExhausted, "4294967295")
    assert channel.cipher is not None
    assert cast("FixedSource", channel.cipher.source).raised == []


def test_other_refusals_are_not_repeated() -> None:
    meter = Meter(Mechanism.LLS, settings(), answers=[bytes.fromhex("d80102")])
    fails(meter, AssociationRefused, "service-not-supported")
    assert len(meter.requests) == 1


def test_an_answer_that_is_none_is_unexpected() -> None:
    fails(Meter(Mechanism.LLS, settings(), answers=[bytes.fromhex("6303800100")]), UnexpectedReply, "AARE expected")


# Release


def test_a_plain_association_is_released_plainly() -> None:
    channel, meter = opened(Mechanism.LLS, settings(Security.NONE))
    run_against(release(channel), meter)
    assert meter.requests[1].hex() == "6203800100"
    assert channel.terms is None


@pytest.mark.parametrize("dedicated", [False, True])
def test_a_ciphered_one_with_the_initiate_under_the_global_key(*, dedicated: bool) -> None:
    channel, meter = opened(Mechanism.HLS_GMAC, settings(dedicated=dedicated))
    run_against(release(channel), meter)
    released = decode_release(meter.requests[-1])
    meter.cipher.dedicated_key = b""
    assert released.user_information[:1] == b"\x21"
    assert meter.cipher.unprotect(released.user_information)[:1] == b"\x01"


@pytest.mark.parametrize("answer", [bytes.fromhex("d80102"), None, b"\xff", b"\x28\0"])
def test_whatever_answers_a_release_does_no_harm(answer: bytes | None) -> None:
    channel, meter = opened(Mechanism.HLS_GMAC, settings())
    meter.answers = [answer]
    run_against(release(channel), meter)
    assert channel.terms is None


def test_what_is_not_open_is_not_released() -> None:
    channel, meter = opened(Mechanism.LLS, settings())
    run_against(release(channel), meter)
    run_against(release(channel), meter)
    assert len(meter.requests) == 2


def test_a_counter_that_is_used_up_releases_nothing() -> None:
    channel, meter = opened(Mechanism.LLS, settings())
    assert channel.cipher is not None
    channel.cipher.source.raise_to(MAX_COUNTER + 1)
    run_against(release(channel), meter)
    assert len(meter.requests) == 1


# The counter, read by the public client


@dataclass
class PublicReading:
    """A conversation as far as one value is read from it."""

    value: Data | BridgeError
    seen: list[object] = field(default_factory=list)

    def open(self) -> Exchange[Association]:
        self.seen.append("open")
        yield b""
        return Association(0, 0, 7)

    def get(self, ref: AttributeRef) -> Exchange[Data]:
        self.seen.append(ref)
        yield b""
        if isinstance(self.value, BridgeError):
            raise self.value
        return self.value

    def close(self) -> Exchange[None]:
        self.seen.append("close")
        yield b""


def test_the_counter_is_read_and_ours_raised_above_it() -> None:
    source, public = FixedSource(), PublicReading(Data(DataType.UINT32, 4711))
    run_against(resynchronise(public, source), lambda _: b"")
    assert public.seen == ["open", AttributeRef(1, FRAME_COUNTER, 2), "close"]
    assert source.take() == 4712


def test_a_counter_next_to_its_end_is_not_believed() -> None:
    source = FixedSource()
    with pytest.raises(CounterExhausted, match="next to the end"):
        run_against(resynchronise(PublicReading(Data(DataType.UINT32, MAX_RESYNC + 1)), source), lambda _: b"")
    assert source.raised == []


def test_the_counter_may_lie_elsewhere() -> None:
    public, elsewhere, source = PublicReading(Data(DataType.UINT32, 1)), Obis(0, 0, 43, 1, 3), FixedSource()
    run_against(resynchronise(public, source, elsewhere), lambda _: b"")
    assert source.raised == [2]
    assert public.seen[1] == AttributeRef(1, elsewhere, 2)


@pytest.mark.parametrize(
    "value",
    [
        Data(DataType.OCTET_STRING, b"\0\0\0\1"),
        Data(DataType.NULL, None),
        Data(DataType.BOOLEAN, True),
        Data(DataType.INT32, -1),
        Data(DataType.UINT64, MAX_COUNTER + 1),
    ],
)
def test_a_value_that_is_no_counter_is_refused(value: Data) -> None:
    with pytest.raises(BadData, match="holds no invocation counter"):
        next_counter(value)


def test_a_meter_without_the_object_is_left_in_order() -> None:
    public = PublicReading(ObjectUndefined("object-undefined (4)"))
    with pytest.raises(ObjectUndefined):
        run_against(resynchronise(public, FixedSource()), lambda _: b"")
    assert public.seen[-1] == "close"


def test_a_lost_association_is_not_closed_politely() -> None:
    public = PublicReading(ExceptionResponse("gone"))
    with pytest.raises(ExceptionResponse):
        run_against(resynchronise(public, FixedSource()), lambda _: b"")
    assert public.seen[-1] != "close"


def test_the_public_client_proves_and_protects_nothing() -> None:
    profile = profile_of(Mechanism.HLS_GMAC, settings())
    public = public_profile(profile)
    assert (public.client_id, public.mechanism, public.secret) == (16, Mechanism.NONE, b"")
    assert not public.needs_source
    assert (public.transport, public.server_logical) == (profile.transport, profile.server_logical)


def test_mechanism_names_are_those_of_the_standard() -> None:
    assert {mechanism: MechanismName(number) for mechanism, number in NAMES.items()} == {
        mechanism: MechanismName[mechanism.name] for mechanism in HIGH
    }
