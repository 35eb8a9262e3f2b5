"""The kernel's word on its clock, asked for real: an answer comes, and it is the same as the status bit says."""

import ctypes

from supervisor_qos.kernel_clock import STA_UNSYNC, STATUS_AT, is_synchronised


def test_the_kernel_answers_and_the_bit_decides() -> None:
    buffer = ctypes.create_string_buffer(512)
    state = ctypes.CDLL(None).adjtimex(buffer)
    status = int.from_bytes(buffer.raw[STATUS_AT : STATUS_AT + 4], "little")
    assert is_synchronised() is (state in range(5) and not status & STA_UNSYNC)
