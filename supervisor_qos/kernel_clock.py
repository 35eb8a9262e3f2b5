"""Whether the kernel's clock is kept by a time service (adjtimex(2)). Nothing in, a truth out; nothing is changed."""

import ctypes
from typing import Final

TIMEX_SIZE: Final = 208  # of struct timex on 64-bit Linux; the buffer is larger, for what other kernels may add
STATUS_AT: Final = 40  # modes (4, padded to 8), offset, freq, maxerror, esterror (8 each), then status
STA_UNSYNC: Final = 0x40
TIME_ERROR: Final = 5


def is_synchronised() -> bool:
    """Return whether the kernel says that its clock is synchronised; False where it does not say."""
    buffer = ctypes.create_string_buffer(2 * TIMEX_SIZE)
    state = ctypes.CDLL(None).adjtimex(buffer)
    status = int.from_bytes(buffer.raw[STATUS_AT : STATUS_AT + 4], "little", signed=True)
    return 0 <= state < TIME_ERROR and not status & STA_UNSYNC
