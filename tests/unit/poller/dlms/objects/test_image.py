"""Image transfer: blocks, what was lost, what was there, verification and activation."""

from dataclasses import dataclass, field

import pytest

from common.errors import BridgeError
from poller.dlms.data import BitString, Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef, Selection
from poller.dlms.errors import (
    AccessDenied,
    BadData,
    BadParameter,
    MeterBusy,
    OtherReason,
    PeerClosed,
    TemporaryFailure,
)
from poller.dlms.objects import image as image_module
from poller.dlms.objects.image import (
    IMAGE_NAME,
    ImageInfo,
    ImageStatus,
    activate_image,
    read_image_transfer,
    transfer_image,
    verify_image,
)
from tests.support.cosem_objects import Attribute, Objects, array, integer, octets, run, structure

IMAGE = bytes(range(250))
SIZE = 16
BLOCKS = 16


@dataclass
class Target:
    """A meter that takes images; ``loses`` counts how often it forgets a block."""

    loses: dict[int, int] = field(default_factory=dict)
    size: int = SIZE
    status: int = 0
    enabled: bool = True
    bitmap: bool = True
    blocks: dict[int, bytes] = field(default_factory=dict)
    initiated: int = 0
    statuses: list[int | BridgeError] = field(default_factory=list)
    answer: BridgeError | None = None

    def objects(self) -> Objects:
        objects = Objects()
        attributes: dict[int, Attribute] = {
            2: integer(self.size),
            4: self.first_missing,
            5: Data(DataType.BOOLEAN, self.enabled),
            6: self.told,
            7: array(structure(integer(250), octets(b"id"), octets(b"sig"))),
        }
        if self.bitmap:
            attributes[3] = self.map
        objects.give(18, IMAGE_NAME, attributes)
        methods = {1: self.initiate, 2: self.take, 3: self.work, 4: self.work}
        objects.methods = {MethodRef(18, IMAGE_NAME, number): method for number, method in methods.items()}
        return objects

    def told(self, _: Selection | None) -> Data:
        if self.statuses:
            status = self.statuses.pop(0)
            if isinstance(status, BridgeError):
                raise status
            self.status = status
        return Data(DataType.ENUM, self.status)

    def map(self, _: Selection | None) -> Data:
        bits = "".join("1" if number in self.blocks else "0" for number in range(BLOCKS))
        return Data(DataType.BIT_STRING, BitString(int(bits, 2).to_bytes(2, "big"), BLOCKS))

    def first_missing(self, _: Selection | None) -> Data:
        return integer(next((number for number in range(BLOCKS) if number not in self.blocks), BLOCKS))

    def initiate(self, parameters: Data | None) -> None:
        assert parameters == structure(octets(b"id"), integer(len(IMAGE)))
        self.initiated += 1
        self.status = 1
        self.blocks.clear()

    def take(self, parameters: Data | None) -> None:
        assert parameters is not None
        assert isinstance(parameters.value, tuple)
        number, content = (member.value for member in parameters.value)
        assert isinstance(number, int)
        assert isinstance(content, bytes)
        if self.loses.get(number, 0) > 0:
            self.loses[number] -= 1
        else:
            self.blocks[number] = content

    def work(self, _: Data | None) -> None:
        if self.answer is not None:
            raise self.answer

    @property
    def content(self) -> bytes:
        return b"".join(self.blocks[number] for number in sorted(self.blocks))


def test_the_object() -> None:
    found = run(read_image_transfer(Target(status=3).objects()))
    assert (found.block_size, found.enabled, found.status) == (SIZE, True, ImageStatus.VERIFIED)
    assert (found.arrived, found.first_missing) == (BitString(b"\0\0", BLOCKS), 0)
    assert (found.images, found.refused) == ((ImageInfo(250, b"id", b"sig"),), ())


@pytest.mark.parametrize("bitmap", [True, False])
def test_an_image_arrives_whatever_is_lost(bitmap: bool) -> None:
    target = Target({0: 1, 7: 2, 15: 3}, bitmap=bitmap)
    sent = run(transfer_image(target.objects(), b"id", IMAGE))
    assert target.content == IMAGE
    assert (sent.blocks, sent.resumed, target.initiated) == (BLOCKS, 0, 1)
    assert sent.sent == (BLOCKS + 6 if bitmap else 16 + 16 + 9 + 1)


@pytest.mark.parametrize("bitmap", [True, False])
def test_a_transfer_goes_on_where_it_broke_off(bitmap: bool) -> None:
    target = Target(status=1, bitmap=bitmap, blocks={n: IMAGE[n * SIZE : (n + 1) * SIZE] for n in range(10)})
    sent = run(transfer_image(target.objects(), b"id", IMAGE, resume=True))
    assert (target.content, sent.sent, sent.resumed, target.initiated) == (IMAGE, 6, 10, 0)


def test_a_map_that_fills_its_last_octet_is_of_the_same_image() -> None:
    image = IMAGE[: 13 * SIZE]
    target = Target(status=1, blocks={n: image[n * SIZE : (n + 1) * SIZE] for n in range(10)})
    sent = run(transfer_image(target.objects(), b"id", image, resume=True))
    assert (target.content, sent.sent, sent.resumed, target.initiated) == (image, 3, 10, 0)


@pytest.mark.parametrize("status", [0, 1, 3])
def test_without_resume_or_another_image_it_begins_anew(status: int) -> None:
    target = Target(status=status, blocks={0: b"old"})
    sent = run(transfer_image(target.objects(), b"id", IMAGE, resume=status != 1))
    assert (target.content, sent.sent, sent.resumed, target.initiated) == (IMAGE, BLOCKS, 0, 1)


def test_a_bitmap_of_another_length_is_another_image() -> None:
    target = Target(status=1, size=8)
    objects = target.objects()
    objects.attributes[AttributeRef(18, IMAGE_NAME, 4)] = octets(b"")
    with pytest.raises(BadData):  # 32 blocks, and the target's map has 16
        run(transfer_image(objects, b"id", IMAGE, resume=True))
    assert target.initiated == 1


@pytest.mark.parametrize("first", [octets(b""), integer(99)])
def test_nothing_that_tells_what_is_held_begins_anew(first: Data) -> None:
    target = Target(status=1, bitmap=False)
    objects = target.objects()
    answers = [first, integer(BLOCKS)]
    objects.attributes[AttributeRef(18, IMAGE_NAME, 4)] = lambda _: answers.pop(0)
    assert run(transfer_image(objects, b"id", IMAGE, resume=True)).sent == BLOCKS
    assert target.initiated == 1


@pytest.mark.parametrize("number", [-5, 1 << 32])
def test_a_first_missing_block_that_cannot_be_is_none(number: int) -> None:
    target = Target(bitmap=False, status=1)
    objects = target.objects()
    objects.give(18, IMAGE_NAME, {4: Data(DataType.INT64, number)})
    with pytest.raises(BadData):
        run(transfer_image(objects, b"id", IMAGE, resume=True))
    assert target.content == IMAGE


def test_a_block_that_never_arrives_ends_the_transfer() -> None:
    target = Target({3: 99})
    with pytest.raises(OtherReason, match="1 of 16 blocks did not arrive in 5 passes"):
        run(transfer_image(target.objects(), b"id", IMAGE))


@pytest.mark.parametrize(("target", "error"), [(Target(enabled=False), OtherReason), (Target(size=0), BadData)])
def test_a_meter_that_takes_none(target: Target, error: type[BridgeError]) -> None:
    with pytest.raises(error):
        run(transfer_image(target.objects(), b"id", IMAGE))


@pytest.mark.parametrize(("identifier", "image"), [(b"", IMAGE), (b"id", b""), (bytes(256), IMAGE)])
def test_an_image_has_octets_and_a_name(identifier: bytes, image: bytes) -> None:
    with pytest.raises(BadParameter):
        run(transfer_image(Target().objects(), identifier, image))


def test_a_verification_at_once() -> None:
    assert run(verify_image(Target().objects())) is ImageStatus.VERIFIED


def test_temporary_failure_is_still_verifying() -> None:
    target = Target(answer=TemporaryFailure("temporary-failure (2)"))
    target.statuses = [2, 1, TemporaryFailure("temporary-failure (2)"), MeterBusy("RNR"), 2, 3]
    pauses: list[int] = []
    assert run(verify_image(target.objects(), lambda: pauses.append(1))) is ImageStatus.VERIFIED
    assert len(pauses) == 6


@pytest.mark.parametrize("answer", [TemporaryFailure("2"), OtherReason("250")])
def test_a_verification_that_fails(answer: BridgeError) -> None:
    target = Target(answer=answer, statuses=[4])
    assert run(verify_image(target.objects())) is ImageStatus.VERIFICATION_FAILED


def test_a_verification_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_module, "MAX_POLLS", 3)
    with pytest.raises(MeterBusy, match="after 3 looks"):
        run(verify_image(Target(answer=TemporaryFailure("2"), status=2).objects()))


def test_what_is_not_allowed_is_raised() -> None:
    with pytest.raises(AccessDenied, match="method 3"):
        run(verify_image(Target(answer=AccessDenied("read-write-denied (3)")).objects()))


def test_an_activation() -> None:
    assert run(activate_image(Target().objects())) is ImageStatus.ACTIVATED
    target = Target(answer=TemporaryFailure("2"), statuses=[3, 5, 6])
    assert run(activate_image(target.objects())) is ImageStatus.ACTIVATED


def test_a_meter_that_restarts_with_its_image() -> None:
    target = Target(answer=PeerClosed("closed"))
    assert run(activate_image(target.objects())) is ImageStatus.ACTIVATION_INITIATED
