"""Services with short-name referencing (IEC 62056-5-3, 6.13 to 6.17): read, write, information-report.

Goes in: variables and values, or a received APDU. Comes out: octets, or typed fields. A structure that is wrong raises
UnexpectedReply, a value that cannot be decoded BadData. Which variable is which attribute, ``short_naming`` knows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from common.errors import BridgeError
from poller.dlms.axdr import Reader, encode_data, encode_length
from poller.dlms.data import Data
from poller.dlms.errors import BadData, UnexpectedReply, access_error
from poller.dlms.xdlms import structure_of

READ_REQUEST, READ_RESPONSE = 0x05, 0x0C
WRITE_REQUEST, WRITE_RESPONSE = 0x06, 0x0D
UNCONFIRMED_WRITE, INFORMATION_REPORT = 0x16, 0x18
NAME_OCTETS: Final = 3
"""Of one variable by its name alone."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A short name: the value that lies there."""

    name: int

    def to_bytes(self) -> bytes:
        return b"\x02" + self.name.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Parameterized:
    """A short name with a selector and its parameters: a part of a value, or a method that is invoked."""

    name: int
    selector: int
    parameter: Data

    def to_bytes(self) -> bytes:
        return b"\x04" + self.name.to_bytes(2, "big") + bytes((self.selector,)) + encode_data(self.parameter)


@dataclass(frozen=True, slots=True)
class BlockNumber:
    """In a request: the block of the answer that came last. In a response: the block of the request that did."""

    number: int

    def to_bytes(self) -> bytes:
        return b"\x05" + self.number.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class DataBlock:
    """A part of a request or an answer that is longer than one APDU may be."""

    last: bool
    number: int
    content: bytes

    def to_bytes(self) -> bytes:
        head = bytes((6, self.last)) + self.number.to_bytes(2, "big")
        return head + encode_length(len(self.content)) + self.content


@dataclass(frozen=True, slots=True)
class WriteBlock:
    """Says that the one value of a write request is a part of a longer one."""

    last: bool
    number: int

    def to_bytes(self) -> bytes:
        return bytes((7, self.last)) + self.number.to_bytes(2, "big")


Specification = Variable | Parameterized | BlockNumber | DataBlock | WriteBlock
ReadResult = Data | BridgeError | DataBlock | BlockNumber
WriteResult = BridgeError | BlockNumber | None


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A read-request."""

    variables: tuple[Specification, ...]


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """A write-request, or one that wants no answer."""

    variables: tuple[Specification, ...]
    values: tuple[Data, ...]
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """A read-response: for each variable its value, or why there is none; or one block."""

    results: tuple[ReadResult, ...]


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """A write-response: for each variable None, or why it was not written; or the block that arrived."""

    results: tuple[WriteResult, ...]


@dataclass(frozen=True, slots=True)
class InformationReport:
    """Values that a server sends unasked; ``moment`` is the text of a GeneralizedTime."""

    variables: tuple[Specification, ...]
    values: tuple[Data, ...]
    moment: str | None = None


def encode_read(variables: Sequence[Specification]) -> bytes:
    """Return a read-request."""
    return bytes((READ_REQUEST,)) + _encoded_variables(variables)


def encode_write(variables: Sequence[Specification], values: Sequence[Data], *, confirmed: bool = True) -> bytes:
    """Return a write-request."""
    tag = WRITE_REQUEST if confirmed else UNCONFIRMED_WRITE
    listed = encode_length(len(values)) + b"".join(map(encode_data, values))
    return bytes((tag,)) + _encoded_variables(variables) + listed


def decode_read_request(octets: bytes) -> ReadRequest:
    """Return the fields of a read-request."""
    reader = Reader(octets)
    with structure_of("read-request"):
        _expect(reader, READ_REQUEST)
        variables = _variables(reader)
    _expect_end(reader)
    return ReadRequest(variables)


def decode_write_request(octets: bytes) -> WriteRequest:
    """Return the fields of a write-request or an unconfirmed one."""
    reader = Reader(octets)
    with structure_of("write-request"):
        confirmed = _expect(reader, WRITE_REQUEST, UNCONFIRMED_WRITE) == WRITE_REQUEST
        variables = _variables(reader)
    return WriteRequest(variables, _values(reader, len(variables)), confirmed)


def decode_read_response(octets: bytes) -> ReadResponse:
    """Return the fields of a read-response."""
    with structure_of("read-response"):
        _expect(Reader(octets), READ_RESPONSE)
    return ReadResponse(decode_read_results(octets[1:]))


def decode_read_results(octets: bytes) -> tuple[ReadResult, ...]:
    """Return the results that a read-response has behind its tag, or that the blocks of one add up to."""
    return _results(Reader(octets), "read-response", _READ_RESULTS)


def decode_write_response(octets: bytes) -> WriteResponse:
    """Return the fields of a write-response."""
    reader = Reader(octets)
    with structure_of("write-response"):
        _expect(reader, WRITE_RESPONSE)
    return WriteResponse(_results(reader, "write-response", _WRITE_RESULTS))


def decode_information_report(octets: bytes) -> InformationReport:
    """Return the fields of an information-report."""
    reader = Reader(octets)
    with structure_of("information-report"):
        _expect(reader, INFORMATION_REPORT)
        moment = reader.text("latin-1") if reader.octet() else None
        variables = _variables(reader)
    return InformationReport(variables, _values(reader, len(variables)), moment)


def _encoded_variables(variables: Sequence[Specification]) -> bytes:
    return encode_length(len(variables)) + b"".join(variable.to_bytes() for variable in variables)


def _variables(reader: Reader) -> tuple[Specification, ...]:
    return tuple([_variable(reader) for _ in range(_count(reader))])


def _variable(reader: Reader) -> Specification:
    choice = reader.octet()
    read = _SPECIFICATIONS.get(choice)
    if read is None:
        raise BadData(f"a variable access of unknown kind {choice} at octet {reader.at - 1}")
    return read(reader)


def _data_block(reader: Reader) -> DataBlock:
    return DataBlock(reader.octet() != 0, reader.unsigned(2), reader.take(reader.length()))


_SPECIFICATIONS: Final[Mapping[int, Callable[[Reader], Specification]]] = {
    2: lambda reader: Variable(reader.unsigned(2)),
    4: lambda reader: Parameterized(reader.unsigned(2), reader.octet(), reader.data()),
    5: lambda reader: BlockNumber(reader.unsigned(2)),
    6: _data_block,
    7: lambda reader: WriteBlock(reader.octet() != 0, reader.unsigned(2)),
}
_READ_RESULTS: Final[Mapping[int, Callable[[Reader], ReadResult]]] = {
    0: Reader.data,
    1: lambda reader: access_error(reader.octet()),
    2: _data_block,
    3: lambda reader: BlockNumber(reader.unsigned(2)),
}
_WRITE_RESULTS: Final[Mapping[int, Callable[[Reader], WriteResult]]] = {
    0: lambda _reader: None,
    1: lambda reader: access_error(reader.octet()),
    2: lambda reader: BlockNumber(reader.unsigned(2)),
}

ResultT = TypeVar("ResultT")


def _results(reader: Reader, name: str, choices: Mapping[int, Callable[[Reader], ResultT]]) -> tuple[ResultT, ...]:
    with structure_of(name):
        count = _count(reader)
    results = tuple([_result(reader, name, choices) for _ in range(count)])
    _expect_end(reader)
    return results


def _result(reader: Reader, name: str, choices: Mapping[int, Callable[[Reader], ResultT]]) -> ResultT:
    """Read one result: behind choice 0 comes a value or nothing, behind the others a structure of the APDU."""
    with structure_of(name):
        choice = reader.octet()
        if choice not in choices:
            raise BadData(f"a result of unknown kind {choice} at octet {reader.at - 1}")
        if choice:
            return choices[choice](reader)
    return choices[choice](reader)


def _values(reader: Reader, expected: int) -> tuple[Data, ...]:
    with structure_of("list-of-data"):
        count = _count(reader)
        if count != expected:
            raise BadData(f"{expected} variables, but {count} values")
    values = tuple([reader.data() for _ in range(count)])
    _expect_end(reader)
    return values


def _count(reader: Reader) -> int:
    count = reader.length()
    if count > reader.left:
        raise BadData(f"{count} items announced in {reader.left} octets")
    return count


def _expect(reader: Reader, *tags: int) -> int:
    found = reader.octet()
    if found not in tags:
        raise UnexpectedReply(f"an APDU with tag {tags[0]:02x} expected, not {found:02x}")
    return found


def _expect_end(reader: Reader) -> None:
    if reader.left:
        raise UnexpectedReply(f"{reader.left} octets follow a service with short names")
