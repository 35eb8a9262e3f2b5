"""A stream of octets to HDLC frames, whatever the line does to it.

Goes in: octets as they arrive, split or joined anywhere, with noise, damage and gaps. Comes out: every good frame, in
order. What may not happen: a wait for octets that never come while a good frame lies behind (a false start is known at
its HCS, at most 14 octets on, and the search goes on one octet behind it; ``expire`` gives up a true start that was
cut), a buffer beyond one frame, or work that grows faster than the input.
"""

from typing import Final

from poller.dlms.exchange import Counters
from poller.dlms.hdlc_frame import FLAG, Frame, Verdict, examine, frame_octets

_FIRST_LOOK: Final = 1
"""Octets that are looked at when nothing is waited for: any may be a flag."""
_CLOSING: Final = bytes((FLAG,))


class HdlcDecoder:
    """Finds the frames of one stream; counts in ``counters`` what it received, refused and dropped."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._buffer = bytearray()
        self._needed = _FIRST_LOOK

    @property
    def waiting(self) -> bool:
        """Whether the stream ends in the middle of what may be a frame."""
        return len(self._buffer) > 1

    @property
    def at_rest(self) -> bool:
        """Whether nothing but a flag is held: the closing one of a frame, or one that may open the next."""
        return self._buffer == _CLOSING

    def feed(self, octets: bytes) -> list[Frame]:
        """Take what arrived; return the frames that are complete now."""
        self._buffer += octets
        if len(self._buffer) < self._needed:
            return []
        return self._search(0)

    def expire(self) -> list[Frame]:
        """Give up the frame that is waited for; return the good ones that came behind its start."""
        frames: list[Frame] = []
        while self.waiting:
            frames += self._search(1)
        return frames

    def reset(self) -> None:
        """Forget what was received: a new link begins."""
        self._counters.octets_dropped += max(0, len(self._buffer) - 1)
        self._buffer.clear()
        self._needed = _FIRST_LOOK

    def _search(self, at: int) -> list[Frame]:
        """Return the frames from a place in the buffer on; keep what may still become one."""
        frames: list[Frame] = []
        buffer, counters = self._buffer, self._counters
        self._needed = _FIRST_LOOK
        while (flag := buffer.find(FLAG, at)) >= 0:
            counters.octets_dropped += flag - at
            found = examine(buffer, flag)
            if isinstance(found, Frame):
                frames.append(found)
                at = flag + frame_octets(buffer, flag)  # its closing flag may open the next
                at -= buffer[at - 1] == FLAG  # so may its FCS, where its own closing flag was lost
            elif isinstance(found, int):
                self._needed = found
                at = flag
                break
            else:
                counters.bad_frames += found is Verdict.DAMAGED
                at = flag + 1
        else:
            counters.octets_dropped += len(buffer) - at
            at = len(buffer)
        del buffer[:at]
        counters.frames_received += len(frames)
        return frames
