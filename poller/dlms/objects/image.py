"""Image transfer (IEC 62056-6-2, 4.4.6): a firmware image goes to a meter in blocks, is verified and activated.

Goes in: a conversation, an image and its identifier. Comes out: how far it came. What was lost is found in the
bitmap and sent again; a transfer that broke off goes on with what is missing. A verification or activation that is
still running answers with temporary-failure, and is watched by its status.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from common.errors import Relink
from common.obis import Obis
from poller.dlms.data import BitString, Data, DataType
from poller.dlms.descriptors import AttributeRef, MethodRef
from poller.dlms.errors import BadData, BadParameter, MeterBusy, OtherReason, TemporaryFailure
from poller.dlms.exchange import Exchange
from poller.dlms.objects.asking import Asking, Refused, answers, invoke, read
from poller.dlms.objects.fields import array, bits, boolean, choice, count, integer, octets, structure

IMAGE_TRANSFER: Final = 18
IMAGE_NAME: Final = Obis(0, 0, 44, 0, 0)
_BLOCK_SIZE, _BITMAP, _FIRST_MISSING, _ENABLED, _STATUS, _INFO = range(2, 8)
_INITIATE, _BLOCK, _VERIFY, _ACTIVATE = range(1, 5)
MAX_PASSES: Final = 5
"""Times that the blocks which did not arrive are sent again."""
MAX_POLLS: Final = 120
"""Looks at the status of a verification or activation; with pauses of some seconds that is minutes."""
MAX_IMAGE: Final = 64 * 1024 * 1024
MAX_IDENTIFIER: Final = 255


class ImageStatus(IntEnum):
    """Attribute 6."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


_ENDS: Final = {
    _VERIFY: {ImageStatus.VERIFIED, ImageStatus.VERIFICATION_FAILED, ImageStatus.NOT_INITIATED},
    _ACTIVATE: {ImageStatus.ACTIVATED, ImageStatus.ACTIVATION_FAILED, ImageStatus.NOT_INITIATED},
}
"""What a status that is watched comes to; meters differ in what they show until then."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image that could be activated (attribute 7)."""

    size: int
    identifier: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ImageTransfer:
    """Class 18."""

    obis: Obis
    block_size: int
    enabled: bool
    status: ImageStatus
    arrived: BitString | None
    """A bit for each block."""
    first_missing: int | None
    images: tuple[ImageInfo, ...] | None
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Transferred:
    """How a transfer went."""

    blocks: int
    """Of the whole image."""
    sent: int
    """Blocks sent this time, repetitions included."""
    resumed: int
    """Blocks that the meter had already."""


def read_image_transfer(conversation: Asking, obis: Obis = IMAGE_NAME) -> Exchange[ImageTransfer]:
    """Return how image transfer stands."""
    found = yield from answers(conversation, IMAGE_TRANSFER, obis, range(_BLOCK_SIZE, _INFO + 1))
    return ImageTransfer(
        obis,
        found.required(_BLOCK_SIZE, count),
        found.required(_ENABLED, boolean),
        found.required(_STATUS, _status),
        found.optional(_BITMAP, bits),
        found.optional(_FIRST_MISSING, count),
        found.optional(_INFO, lambda data: tuple(_info(each) for each in array(data))),
        found.refused,
    )


def transfer_image(
    conversation: Asking, identifier: bytes, image: bytes, *, resume: bool = False, obis: Obis = IMAGE_NAME
) -> Exchange[Transferred]:
    """Bring an image to the meter, until it has every block (4.4.6, steps 1 to 4).

    ``resume``: the meter holds a part of this very image; what it says is missing is sent. The meter does not tell
    which image it holds a part of: only a caller that knows may resume. Raises BadParameter, BadData, OtherReason.
    """
    if not 0 < len(image) <= MAX_IMAGE or not 0 < len(identifier) <= MAX_IDENTIFIER:
        raise BadParameter(f"an image has 1 to {MAX_IMAGE} octets, its identifier 1 to {MAX_IDENTIFIER}")
    state = yield from read_image_transfer(conversation, obis)
    if not state.enabled:
        raise OtherReason(f"{obis}: image transfer is not enabled in the meter (attribute 5)")
    if state.block_size < 1:
        raise BadData(f"{obis}: image blocks of {state.block_size} octets")
    blocks = -(-len(image) // state.block_size)
    held = _held(state, blocks) if resume else None
    if held is None:
        yield from _initiate(conversation, obis, identifier, len(image))
        held = range(blocks)
    missing: Sequence[int] = held
    sent = 0
    for _ in range(MAX_PASSES):
        for number in missing:
            yield from _send(conversation, obis, number, image, state.block_size)
        sent += len(missing)
        missing = yield from _missing(conversation, obis, blocks)
        if not missing:
            return Transferred(blocks, sent, blocks - len(held))
    raise OtherReason(f"{obis}: {len(missing)} of {blocks} blocks did not arrive in {MAX_PASSES} passes")


def verify_image(
    conversation: Asking, pause: Callable[[], None] = lambda: None, obis: Obis = IMAGE_NAME
) -> Exchange[ImageStatus]:
    """Have the meter verify the image (method 3); return VERIFIED, VERIFICATION_FAILED, or how it stands at the end.

    ``pause`` is called before each look at a verification that is still running: there the caller waits.
    """
    return (yield from _run(conversation, obis, _VERIFY, ImageStatus.VERIFIED, pause))


def activate_image(
    conversation: Asking, pause: Callable[[], None] = lambda: None, obis: Obis = IMAGE_NAME
) -> Exchange[ImageStatus]:
    """Have the meter activate the image (method 4); ACTIVATION_INITIATED when it went away to do so.

    A meter that restarts with the new image answers no more: the link is gone then, and its firmware tells the rest.
    """
    try:
        return (yield from _run(conversation, obis, _ACTIVATE, ImageStatus.ACTIVATED, pause))
    except Relink:
        return ImageStatus.ACTIVATION_INITIATED


def _run(
    conversation: Asking, obis: Obis, method: int, done: ImageStatus, pause: Callable[[], None]
) -> Exchange[ImageStatus]:
    """Invoke a method that may take its time, and watch the status until it has ended, well or not."""
    try:
        yield from invoke(conversation, MethodRef(IMAGE_TRANSFER, obis, method))
    except TemporaryFailure:
        pass  # still at it
    except OtherReason:
        return (yield from _read_status(conversation, obis))
    else:
        return done
    for _ in range(MAX_POLLS):
        pause()
        try:
            status = yield from _read_status(conversation, obis)
        except (TemporaryFailure, MeterBusy):
            continue
        if status in _ENDS[method]:
            return status
    raise MeterBusy(f"{obis}: after {MAX_POLLS} looks at its status the meter is still not done")


def _read_status(conversation: Asking, obis: Obis) -> Exchange[ImageStatus]:
    return (yield from read(conversation, AttributeRef(IMAGE_TRANSFER, obis, _STATUS), _status))


def _initiate(conversation: Asking, obis: Obis, identifier: bytes, size: int) -> Exchange[None]:
    members = (Data(DataType.OCTET_STRING, identifier), Data(DataType.UINT32, size))
    yield from invoke(conversation, MethodRef(IMAGE_TRANSFER, obis, _INITIATE), Data(DataType.STRUCTURE, members))


def _send(conversation: Asking, obis: Obis, number: int, image: bytes, size: int) -> Exchange[None]:
    content = image[number * size : (number + 1) * size]
    members = (Data(DataType.UINT32, number), Data(DataType.OCTET_STRING, content))
    yield from invoke(conversation, MethodRef(IMAGE_TRANSFER, obis, _BLOCK), Data(DataType.STRUCTURE, members))


def _missing(conversation: Asking, obis: Obis, blocks: int) -> Exchange[Sequence[int]]:
    """Return the blocks that the meter has not, by its bitmap, else from the first one that it names."""
    found = yield from answers(conversation, IMAGE_TRANSFER, obis, (_BITMAP, _FIRST_MISSING))
    arrived = found.optional(_BITMAP, bits)
    if arrived is not None and arrived.length >= blocks:
        return _unset(arrived, blocks)
    return range(min(found.required(_FIRST_MISSING, count), blocks), blocks)


def _held(state: ImageTransfer, blocks: int) -> Sequence[int] | None:
    """Return the blocks to go on with; None when what the meter is at cannot be this image."""
    if state.status is not ImageStatus.INITIATED:
        return None
    if state.arrived is not None:
        padded = blocks <= state.arrived.length <= -(-blocks // 8) * 8  # there are meters that fill up the last octet
        return _unset(state.arrived, blocks) if padded else None
    if state.first_missing is None or state.first_missing > blocks:
        return None
    return range(state.first_missing, blocks)


def _unset(bitmap: BitString, blocks: int) -> list[int]:
    return [number for number in range(blocks) if not bitmap.octets[number // 8] & 0x80 >> number % 8]


def _status(data: Data) -> ImageStatus:
    return choice(data, ImageStatus)


def _info(item: Data) -> ImageInfo:
    size, identifier, signature = structure(item, 3)
    return ImageInfo(integer(size), octets(identifier), octets(signature))
