"""Numbers by number, eight octets each: what an audit of millions of readings is kept in.

In: whole keys in any order, dense in places; values from 1 to 2^64 - 1. Out: the value of a key, 0 where there is none,
and all keys ascending. A key costs eight octets beside neighbours and a page of 4 KiB alone. Pure.
"""

from array import array
from collections.abc import Iterator
from typing import Final

_BITS: Final = 9
_PAGE: Final = 1 << _BITS
_MASK: Final = _PAGE - 1
_EMPTY: Final = array("Q", bytes(8 * _PAGE))


class SparseNumbers:
    """See the module's text."""

    __slots__ = ("_pages", "count")

    def __init__(self) -> None:
        self._pages: dict[int, array[int]] = {}
        self.count = 0

    def __setitem__(self, key: int, value: int) -> None:
        page = self._pages.get(key >> _BITS)
        if page is None:
            page = self._pages[key >> _BITS] = _EMPTY[:]
        at = key & _MASK
        self.count += not page[at]
        page[at] = value

    def __getitem__(self, key: int) -> int:
        page = self._pages.get(key >> _BITS)
        return 0 if page is None else page[key & _MASK]

    def __contains__(self, key: int) -> bool:
        return self[key] != 0

    def items(self) -> Iterator[tuple[int, int]]:
        """Yield keys and values, ascending."""
        for number in sorted(self._pages):
            base = number << _BITS
            for at, value in enumerate(self._pages[number]):
                if value:
                    yield base + at, value

    def __iter__(self) -> Iterator[int]:
        for key, _ in self.items():
            yield key

    @property
    def highest(self) -> int:
        """The highest key; 0 where there is none."""
        if not self._pages:
            return 0
        number = max(self._pages)
        page = self._pages[number]
        return max((number << _BITS) + at for at in range(_PAGE) if page[at])
