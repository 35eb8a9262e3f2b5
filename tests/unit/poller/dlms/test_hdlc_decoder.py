"""The stream decoder: named cases; the general promise is a property test."""

from poller.dlms.exchange import Counters
from poller.dlms.hdlc_address import Address
from poller.dlms.hdlc_decoder import HdlcDecoder
from poller.dlms.hdlc_frame import MAX_OCTETS, Frame, pack_frame

METER, CLIENT = Address(1), Address(16)
FLAGS_IN_INFO = Frame(CLIENT, METER, 0x30, b"\x7e\xa0\x07\x7e\x7e\xe6\xe7\x00")
LONG = Frame(CLIENT, METER, 0x52, bytes(range(128)))
SHORT = Frame(CLIENT, METER, 0x73)
REPLY_FCS_ENDS_IN_FLAG = bytes.fromhex("7ea015030374ea78e6e700c401c10006000034097e547e")
LAST_FCS_OCTET_IS_FLAG = bytes.fromhex("7ea015230352e53fe6e700c401c10006075bcd86f57e7e")


class Line:
    """A decoder with its counters."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.decoder = HdlcDecoder(self.counters)

    def feed(self, *chunks: bytes) -> list[Frame]:
        return [frame for chunk in chunks for frame in self.decoder.feed(chunk)]

    @property
    def held(self) -> int:
        return len(self.decoder._buffer)


def test_a_flag_inside_a_frame_is_data() -> None:
    line = Line()
    octets = FLAGS_IN_INFO.to_bytes()
    assert line.feed(*(octets[i : i + 1] for i in range(len(octets)))) == [FLAGS_IN_INFO]
    assert line.feed(REPLY_FCS_ENDS_IN_FLAG)[0].info[-4:] == (13321).to_bytes(4, "big")
    assert line.feed(LAST_FCS_OCTET_IS_FLAG)[0].info[-4:] == (123456902).to_bytes(4, "big")
    assert line.counters.octets_dropped == 0


def test_one_flag_closes_a_frame_and_opens_the_next() -> None:
    line = Line()
    assert line.feed(SHORT.to_bytes() + FLAGS_IN_INFO.to_bytes()[1:] + LONG.to_bytes()[1:]) == [
        SHORT,
        FLAGS_IN_INFO,
        LONG,
    ]


def test_any_number_of_flags_between_frames_is_nothing() -> None:
    line = Line()
    assert line.feed(b"\x7e" * 50 + SHORT.to_bytes() + b"\x7e" * 50 + LONG.to_bytes()) == [SHORT, LONG]
    assert (line.counters.bad_frames, line.counters.octets_dropped) == (0, 0)


def test_one_bad_frame_costs_one_frame() -> None:
    line = Line()
    broken = bytearray(LONG.to_bytes())
    broken[40] ^= 1
    assert line.feed(SHORT.to_bytes(), bytes(broken), FLAGS_IN_INFO.to_bytes()) == [SHORT, FLAGS_IN_INFO]
    assert line.counters.bad_frames == 1
    assert line.counters.octets_dropped == len(broken) - broken.count(0x7E)  # flags are not counted


def test_a_wrong_shared_flag_costs_only_the_frame_it_opens() -> None:
    line = Line()
    joined = SHORT.to_bytes()[:-1] + b"\x55" + LONG.to_bytes()[1:] + FLAGS_IN_INFO.to_bytes()[1:]
    assert line.feed(joined) == [SHORT, FLAGS_IN_INFO]


def test_a_false_flag_before_a_plausible_length_does_not_swallow_the_good_frame() -> None:
    for noise in ("7e", "7ea0", "7ea7ff", "7ea7ff03", "7ea7ff0303", "7ea7ff030310", "7ea7ff0303101234", "7ea07e7e7e"):
        line = Line()
        assert line.feed(bytes.fromhex(noise) + LONG.to_bytes()) == [LONG], noise


def test_a_good_frame_behind_a_cut_one_comes_when_the_wait_is_given_up() -> None:
    line = Line()
    assert line.feed(LONG.to_bytes()[:60] + SHORT.to_bytes() + FLAGS_IN_INFO.to_bytes()) == []
    assert line.decoder.waiting
    assert line.decoder.expire() == [SHORT, FLAGS_IN_INFO]
    assert not line.decoder.waiting


def test_a_good_frame_behind_a_cut_one_comes_by_itself_when_enough_follows() -> None:
    line = Line()
    assert line.feed(LONG.to_bytes()[:60] + SHORT.to_bytes() * 9) == [SHORT] * 9


def test_a_cut_frame_inside_a_cut_frame_is_given_up_as_well() -> None:
    line = Line()
    line.feed(LONG.to_bytes()[:60] + LONG.to_bytes()[:30] + SHORT.to_bytes() + b"\x7e\xa0")
    assert line.decoder.expire() == [SHORT]
    assert not line.decoder.waiting


def test_what_is_held_is_bounded_by_one_frame() -> None:
    line = Line()
    header = pack_frame(b"\x21\x03", 0x30, bytes(2030))[:9]
    line.feed(bytes(100_000))
    assert line.held == 0
    for _ in range(5000):
        line.feed(header)
        assert line.held < MAX_OCTETS
    line.feed(b"\x7e" * 100_000)
    assert line.held < MAX_OCTETS


def test_noise_of_headers_costs_no_more_than_its_length() -> None:
    """A valid header every nine octets, each with the longest frame behind it: every one is looked at once."""
    line = Line()
    header = pack_frame(b"\x21\x03", 0x30, bytes(2030))[:8]
    line.feed(header * 20_000)
    assert line.counters.bad_frames <= 20_000


def test_reset_forgets_and_counts() -> None:
    line = Line()
    line.feed(LONG.to_bytes()[:60])
    line.decoder.reset()
    assert line.feed(LONG.to_bytes()[60:] + SHORT.to_bytes()) == [SHORT]
    assert line.counters.octets_dropped > 59


def test_behind_a_flag_it_is_at_rest_and_nowhere_else() -> None:
    decoder = HdlcDecoder(Counters())
    seen = [decoder.at_rest]
    octets = SHORT.to_bytes()
    for octet in octets:
        decoder.feed(bytes((octet,)))
        seen.append(decoder.at_rest)
    assert seen == [False, True] + [False] * (len(octets) - 2) + [True]
