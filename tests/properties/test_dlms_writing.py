"""Writing and invoking: what is sent fits and arrives whole; whatever is answered raises nothing but our errors."""

from collections.abc import Callable
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from common.errors import BridgeError
from poller.dlms.access_service import AccessAction, AccessGet
from poller.dlms.action_service import ActionBlock, ActionRequest, decode_action_request
from poller.dlms.conversation import Conversation
from poller.dlms.data import Data, DataType
from poller.dlms.exchange import Exchange
from poller.dlms.set_service import SetBlock, SetRequest, decode_set_request
from tests.support.dlms_drive import run_against
from tests.support.scripted_meter import FIVE, FULL, RESET, VOLTAGE, Answer, Meter, granting, opened

SERVICES: list[Callable[[Conversation], Exchange[object]]] = [
    lambda conversation: conversation.set(VOLTAGE, FIVE),
    lambda conversation: conversation.set(VOLTAGE, Data(DataType.OCTET_STRING, bytes(100))),
    lambda conversation: conversation.set_many([(VOLTAGE, FIVE), (VOLTAGE, FIVE)]),
    lambda conversation: conversation.action(RESET, FIVE),
    lambda conversation: conversation.action(RESET, Data(DataType.OCTET_STRING, bytes(100))),
    lambda conversation: conversation.action_many([(RESET, None), (RESET, FIVE)]),
    lambda conversation: conversation.access([AccessGet(VOLTAGE), AccessAction(RESET)]),
]
ANSWERS = st.one_of(
    st.binary(max_size=30),
    st.builds(
        lambda tag, kind, rest: bytes((tag, kind, 0xC1)) + rest,
        st.sampled_from([0xC4, 0xC5, 0xC7]),
        st.integers(1, 6),
        st.lists(st.sampled_from([0, 1, 2, 3, 4, 0x11, 0x80, 0xFF]), max_size=20).map(bytes),
    ),
    st.builds(
        lambda rest: b"\xda\0\0\0\1\0\0" + rest, st.lists(st.sampled_from([0, 1, 2, 3, 0x11]), max_size=12).map(bytes)
    ),
)


@given(st.sampled_from(SERVICES), st.lists(ANSWERS, max_size=6))
def test_any_answer_ends_in_a_result_or_a_typed_error(
    service: Callable[[Conversation], Exchange[object]], answers: list[bytes]
) -> None:
    left = list(answers)
    meter = Meter(lambda _: left.pop(0) if left else None, granting(0x40))
    conversation = opened(meter, FULL)
    with suppress(BridgeError):
        run_against(service(conversation), meter)


class Memory:
    """Puts blocks together and acknowledges each."""

    def __init__(self) -> None:
        self.content = b""

    def __call__(self, apdu: bytes) -> Answer:
        request = decode_set_request(apdu) if apdu[0] == 0xC1 else decode_action_request(apdu)
        assert isinstance(request, SetRequest | SetBlock | ActionRequest | ActionBlock)
        head, part = f"{apdu[2]:02x}", request.part
        if part is None:
            self.content = apdu[13:]
            return f"c501{head}00" if apdu[0] == 0xC1 else f"c701{head}0000"
        self.content += part.content
        if apdu[0] == 0xC1:
            return f"c5{3 if part.last else 2:02x}{head}{'00' * part.last}{part.number:08x}"
        return f"c701{head}0000" if part.last else f"c704{head}{part.number:08x}"


@given(st.integers(32, 300), st.binary(max_size=600), st.booleans())
def test_a_value_of_any_length_fits_and_arrives(max_pdu: int, octets: bytes, write: bool) -> None:
    memory = Memory()
    meter = Meter(memory, granting(max_pdu))
    conversation = opened(meter, FULL)
    data = Data(DataType.OCTET_STRING, octets)
    run_against(conversation.set(VOLTAGE, data) if write else conversation.action(RESET, data), meter)
    assert memory.content.endswith(octets)
    assert len(memory.content) == len(octets) + (2 if len(octets) < 128 else 3 if len(octets) < 256 else 4)
    assert max(map(len, meter.asked[1:])) <= max_pdu
