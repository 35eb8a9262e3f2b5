"""Protection: the example of the Green Book (both suites use it), and what is refused."""

import pytest

from poller.simulator import gcm
from poller.simulator.acse import BadRequest
from poller.simulator.association import HLS_MD5, HLS_SHA1, HLS_SHA256
from poller.simulator.hls import Side, proof
from poller.simulator.personality import BadSpecification, Keys
from poller.simulator.secrecy import MAX_TITLES, Form, Guard, KeyRing, Opened, Undeciphered

CLIENT, METER = b"PEER0001", b"SIM00001"
GET = bytes.fromhex("c001c100030101200700ff0200")
ANSWER = bytes.fromhex("c401c1000600000007")


def pair(suite: int = 0, policy: int = 0) -> tuple[Guard, Guard]:
    """Return a meter's guard and, with the same code but other titles, a client's."""
    return Guard(KeyRing(Keys(suite=suite, policy=policy), METER), CLIENT), Guard(
        KeyRing(Keys(suite=suite, policy=policy), CLIENT), METER
    )


def request(
    client: Guard, plain: bytes = GET, control: int = 0x30, *, form: int = 0xC8, key: bytes | None = None
) -> bytes:
    sealed = client._sealed(plain, control | client.ring.keys.suite, key or client.ring.keys.encryption)
    title = bytes((len(client.ring.title),)) + client.ring.title if form in {0xDB, 0xDC} else b""
    return bytes((form,)) + title + bytes((len(sealed),)) + sealed


def test_gmac_and_gcm_of_the_green_book() -> None:
    key, authentication = bytes(range(16)), bytes(range(0xD0, 0xE0))
    nonce = bytes.fromhex("4d4d4d0000bc614e01234567")
    text = bytes.fromhex("01011000112233445566778899aabbccddeeff0000065f1f0400007e1f04b0")
    sealed, tag = gcm.seal(key, nonce, text, b"\x30" + authentication)
    assert sealed.hex() == "801302ff8a7874133d414ced25b42534d28db0047720606b175bd52211be68"
    assert tag.hex() == "41db204d39ee6fdb8e356855"
    assert gcm.unseal(key, nonce, sealed, b"\x30" + authentication, tag) == text
    with pytest.raises(gcm.Damaged):
        gcm.unseal(key, nonce, sealed, b"\x30" + authentication, bytes(12))
    assert gcm.gmac(key, bytes.fromhex("4d4d4d000000000100000001"), b"\x10" + authentication + b"P6wRJ21F").hex() == (
        "1a52fe7dd3e72748973c1e28"
    )


def test_proofs_are_digests_of_both_sides() -> None:
    client, server = Side(CLIENT, b"K56iVagY"), Side(METER, b"P6wRJ21F")
    assert len(proof(HLS_MD5, b"12345678", client, server)) == 16
    assert len(proof(HLS_SHA1, b"12345678", client, server)) == 20
    assert proof(HLS_SHA256, b"1", client, server) != proof(HLS_SHA256, b"1", server, client)


@pytest.mark.parametrize("control", [0x10, 0x20, 0x30])
@pytest.mark.parametrize(
    ("tag", "form"), [(0xC8, Form.GLO), (0xDB, Form.GENERAL_GLO), (0xD0, Form.DED), (0xDC, Form.GENERAL_DED)]
)
@pytest.mark.parametrize("suite", [0, 1])
def test_a_request_is_opened_and_answered_as_it_came(control: int, tag: int, form: Form, suite: int) -> None:
    meter, client = pair(suite=suite)
    meter.dedicated = client.dedicated = bytes(range(32, 48))
    key = client.dedicated if form.dedicated else None
    opened = meter.open(request(client, control=control, form=tag, key=key))
    assert opened == Opened(GET, control | suite, form)
    answer = meter.protect(ANSWER, opened)
    assert answer[0] == {Form.GLO: 0xCC, Form.DED: 0xD4, Form.GENERAL_GLO: 0xDB, Form.GENERAL_DED: 0xDC}[form]
    content = answer[2 + (9 if tag >= 0xDB else 0) :]
    assert client._unsealed(key or client.ring.keys.encryption, control | suite, content) == ANSWER


@pytest.mark.parametrize(
    ("bend", "why", "said"),
    [
        (lambda octets: octets[:-1] + bytes((octets[-1] ^ 1,)), "tag", "d80105"),
        (lambda octets: octets[:-1], "cut", "d80105"),
        (lambda octets: octets + b"\0", "cut", "d80105"),
        (lambda octets: octets[:2] + b"\x31" + octets[3:], "suite", "d80105"),
        (lambda octets: octets[:2] + b"\xb0" + octets[3:], "suite", "d80105"),
        (lambda _octets: b"\xc8\x02\x30\x00", "cut", "d80105"),
        (lambda _octets: b"\xc8", "cut", "d80105"),
    ],
)
def test_damage_is_refused(bend: object, why: str, said: str) -> None:
    meter, client = pair()
    with pytest.raises(Undeciphered) as refusal:
        meter.open(bend(request(client)))  # type: ignore[operator]
    assert (refusal.value.why, refusal.value.answer.hex()) == (why, said)


def test_a_counter_is_good_once() -> None:
    meter, client = pair()
    octets = request(client)
    meter.open(octets)
    with pytest.raises(Undeciphered) as refusal:
        meter.open(octets)
    assert refusal.value.answer.hex() == "d80106" + "00000002"


def test_a_dedicated_key_counts_for_itself() -> None:
    meter, client = pair()
    meter.dedicated = key = bytes(16)
    octets = request(client, form=0xD0, key=key)
    meter.open(octets)
    with pytest.raises(Undeciphered, match="counter"):
        meter.open(octets)
    client.ring.sent = 0
    meter.open(request(client))


def test_a_policy_asks_more() -> None:
    meter, client = pair(policy=0x30)
    with pytest.raises(Undeciphered, match="policy"):
        meter.open(request(client, control=0x10))


def test_another_title_is_refused() -> None:
    meter, client = pair()
    client.ring.title = b"STRANGER"
    with pytest.raises(Undeciphered, match="title"):
        meter.open(request(client, form=0xDB))


def test_faults_of_answers() -> None:
    meter, client = pair()
    opened = meter.open(request(client))
    first = meter.protect(ANSWER, opened)
    meter.replay = True
    assert meter.protect(ANSWER, opened) == first
    meter.replay, meter.spoil = False, True
    with pytest.raises(gcm.Damaged):
        client._unsealed(client.ring.keys.encryption, 0x30, meter.protect(ANSWER, opened)[2:])


def test_an_exception_goes_as_it_is() -> None:
    meter, client = pair()
    opened = meter.open(request(client))
    assert meter.protect(b"\xd8\x01\x01", opened) == b"\xd8\x01\x01"


def test_an_initiate_is_protected_or_none() -> None:
    meter, client = pair()
    sealed = client._sealed(b"\x01initiate", 0x30, client.ring.keys.encryption)
    assert meter.open_initiate(b"\x21" + bytes((len(sealed),)) + sealed) == b"\x01initiate"
    assert meter.open_initiate(request(client, b"\x01again", form=0xDB)) == b"\x01again"
    assert meter.close_initiate(b"\x08")[0] == 0x28
    with pytest.raises(BadRequest):
        meter.open_initiate(b"\x02")


def test_gmac_proves_once() -> None:
    meter, client = pair()
    good = client.proof(b"challenge")
    assert not meter.proven(good[:-1], b"challenge")
    assert not meter.proven(good, b"another!!")
    assert meter.proven(good, b"challenge")
    with pytest.raises(Undeciphered, match="counter"):
        meter.proven(good, b"challenge")


def test_a_proof_draws_its_counter_before_what_carries_it() -> None:
    meter, client = pair()
    inner = client.proof(b"challenge")
    meter.open(request(client))
    assert meter.proven(inner, b"challenge")
    with pytest.raises(Undeciphered, match="counter"):
        Guard(meter.ring, CLIENT).proven(inner, b"challenge")
    meter.open(request(client))
    with pytest.raises(Undeciphered, match="counter"):
        meter.proven(inner, b"challenge")


def test_counters_are_kept_per_client_and_bounded() -> None:
    ring = KeyRing(Keys(counter=10), METER)
    assert (ring.least(CLIENT), ring.highest()) == (10, 9)
    for number in range(MAX_TITLES + 5):
        ring.used(number.to_bytes(8, "big"), 20)
    assert len(ring.expected) == MAX_TITLES
    assert ring.highest() == 20
    ring.expect(100)
    assert {ring.least(title) for title in ring.expected} == {100}
    assert ring.least(b"new") == 100
    ring.raise_policy(0x30)
    assert ring.keys.policy == 0x30


@pytest.mark.parametrize(
    "wrong",
    [{"encryption": b"short"}, {"title": b"short"}, {"suite": 2}, {"policy": 1}, {"counter": -1}],
)
def test_senseless_keys_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadSpecification):
        Keys(**wrong)  # type: ignore[arg-type]
