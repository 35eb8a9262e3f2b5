"""Whatever octets come, in whatever pieces: only typed errors, and what each part promises of every input.

The targets and their promises are those of the fuzzing; here hypothesis makes the octets, and the smallest that break
something; ``make fuzz`` makes thousands of each (profile ``fuzz``).
"""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.campaign import TARGETS
from tests.fuzz.mutator import resealed_frame, resealed_line
from tests.fuzz.seeds import Corpus, corpus
from tests.fuzz.sessions import encoded
from tests.fuzz.targets import PARSERS, Case
from tests.fuzz.trial import outcome_of

KNOWN: Final[Corpus] = corpus()
OF_TARGETS: Final = {
    "frames": KNOWN.lines,
    "frame fields": KNOWN.lines,
    "messages": KNOWN.messages,
    "values": KNOWN.values,
    "objects": KNOWN.values,
    "pushes": tuple(octets for form in KNOWN.pushes.values() for octets in form),
    "explained": KNOWN.lines + KNOWN.messages + KNOWN.apdus,
}
CHOICES: Final = st.integers(0, 2**30 - 1)


@st.composite
def hostile(draw: st.DrawFn, entries: tuple[bytes, ...]) -> bytes:
    """Draw octets that begin as known ones: some changed, cut out or put in; or any octets."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=64))
    octets = bytearray(draw(st.sampled_from(entries)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(octets)))
        octets[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(octets)


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data(), choice=CHOICES)
def test_only_typed_errors_come_of_any_octets(name: str, data: st.DataObject, choice: int) -> None:
    octets = data.draw(hostile(OF_TARGETS.get(name, KNOWN.apdus)))
    assert outcome_of(TARGETS[name], Case(octets, choice))[1] == ""


@given(
    st.sampled_from([b"\x03\x21", b"\x00\x02\x00\x23\x21", b"\x21\x03"]),
    st.integers(0, 255),
    hostile(tuple(b"\xe6\xe7\x00" + apdu for apdu in KNOWN.apdus)),
    st.booleans(),
    st.sampled_from(["frames", "pushes", "explained"]),
    CHOICES,
)
def test_right_check_sequences_open_no_door(
    addresses: bytes, control: int, info: bytes, segmented: bool, name: str, choice: int
) -> None:
    frame = resealed_frame(addresses, control, info[:2030], segmented=segmented)
    assert outcome_of(TARGETS[name], Case(frame * 2, choice))[1] == ""


@given(st.data(), st.integers(0, len(KNOWN.sessions) - 1), CHOICES)
def test_a_conversation_ends_and_works_again_whatever_is_answered(
    data: st.DataObject, number: int, choice: int
) -> None:
    answers = [came for _, came in KNOWN.sessions[number].passed]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(answers) - 1))
        bent = data.draw(hostile((answers[at],) if answers[at] else KNOWN.lines))
        answers[at] = resealed_line(bent) if data.draw(st.booleans()) and b"\x7e" in bent else bent
    assert outcome_of(TARGETS["sessions"], Case(encoded(number, answers), choice & ~0x1C0))[1] == ""
