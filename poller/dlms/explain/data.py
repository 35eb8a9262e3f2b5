"""The type Data (IEC 62056-5-3, 8.3), octet by octet, with what each value means.

Goes in: a scan that stands at a tag. Comes out: nodes, and the value. Depth and number of values are bounded.
"""

from typing import Final

from poller.dlms.axdr import MAX_DEPTH, decode_data, decode_whole, encode_data
from poller.dlms.data import Data, DataType
from poller.dlms.errors import BadData
from poller.dlms.explain.tree import Node, Scan
from poller.dlms.explain.values import TYPES, group_words, words

_KNOWN: Final = {int(data_type): data_type for data_type in DataType}
_SIZES: Final = {
    DataType.NULL: 0, DataType.DONT_CARE: 0, DataType.BOOLEAN: 1, DataType.INT8: 1, DataType.UINT8: 1,
    DataType.ENUM: 1, DataType.BCD: 1, DataType.INT16: 2, DataType.UINT16: 2, DataType.INT32: 4, DataType.UINT32: 4,
    DataType.FLOAT32: 4, DataType.INT64: 8, DataType.UINT64: 8, DataType.FLOAT64: 8, DataType.DATE_TIME: 12,
    DataType.DATE: 5, DataType.TIME: 4,
}  # fmt: skip


def read_data(scan: Scan, name: str = "", depth: int = 0) -> Data:
    """Read one value with its tag; ``name`` says what it is to its APDU."""
    tag = scan.look().octet()
    data_type = _KNOWN.get(tag)
    if data_type is None:
        raise BadData(f"unknown data type {tag}")
    if depth > MAX_DEPTH:
        raise BadData(f"a value nested deeper than {MAX_DEPTH}")
    label = f"{name}: {TYPES[data_type]}" if name else TYPES[data_type]
    if data_type in {DataType.ARRAY, DataType.STRUCTURE}:
        return _read_members(scan, data_type, label, depth)
    if data_type is DataType.COMPACT_ARRAY:
        return _read_compact(scan, label)
    node = scan.leaf(_size(scan, data_type), label)
    data = decode_whole(node.octets)
    node.meaning = words(data)
    return data


def _size(scan: Scan, data_type: DataType) -> int:
    """Return the octets of a single value with its tag."""
    if (fixed := _SIZES.get(data_type)) is not None:
        return 1 + fixed
    reader = scan.look()
    reader.octet()
    length = reader.length()
    return reader.at - scan.at + ((length + 7) // 8 if data_type is DataType.BIT_STRING else length)


def _read_members(scan: Scan, data_type: DataType, label: str, depth: int) -> Data:
    with scan.branch(label) as node:
        reader = scan.look()
        reader.octet()
        count = reader.length()
        node.meaning = f"{count} elements"
        scan.leaf(reader.at - scan.at, "type and count", str(count))
        members: list[Data] = []
        while len(members) < count:
            if not scan.left:
                raise BadData(f"the {TYPES[data_type]} ends after {len(members)} of {count} elements")
            members.append(read_data(scan, "", depth + 1))
        data = Data(data_type, tuple(members))
        node.meaning = group_words(data) or node.meaning
    return data


def _read_compact(scan: Scan, label: str) -> Data:
    """Read a compact-array: its description, then elements without tags."""
    data, size = decode_data(scan.octets[scan.at :])
    elements = data.value if isinstance(data.value, tuple) else ()
    with scan.branch(label, f"{len(elements)} elements"):
        end = scan.at + size
        scan.leaf(size - sum(map(_packed_size, elements)), "description and length")
        for element in elements:
            _read_packed(scan, element)
        scan.at = end
    return data


def _read_packed(scan: Scan, data: Data) -> Node:
    if not isinstance(data.value, tuple):
        return scan.leaf(_packed_size(data), TYPES[data.type], words(data))
    with scan.branch(TYPES[data.type], group_words(data)) as node:
        for member in data.value:
            _read_packed(scan, member)
    return node


def _packed_size(data: Data) -> int:
    """Return the octets of an element without tags."""
    if isinstance(data.value, tuple):
        return sum(map(_packed_size, data.value))
    return len(encode_data(data)) - 1
