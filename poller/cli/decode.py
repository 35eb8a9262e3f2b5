"""``meterctl decode``: octets to an annotated tree, as a protocol analyser shows them.

In: hexadecimal from the command line, a file or standard input, or a capture; keys from a file. Out: one line for each
field, or JSON; exit code 0 when everything could be read, 1 when something could not, 2 with wrong arguments.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poller.capture import OUT, Capture, parse_capture
from poller.cli.complaints import ALL_DONE, SOME_DONE, BadArgument
from poller.cli.connection import command
from poller.dlms.explain.stream import Explainer, Kind, kind_of
from poller.dlms.explain.tree import Node
from poller.dlms.security import SecuritySettings

MAX_INPUT: Final = 64 << 20
"""Characters read: a capture of its greatest size in hexadecimal."""
PIECE: Final = 4096
"""Octets of a line that are explained at once: two of the longest frames."""
SHOWN_OCTETS: Final = 12
"""Of a field in a line; --json has them all."""
_SEPARATORS: Final = re.compile(r"0[xX]|[\s:,;\-]+")


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="meterctl decode",
        allow_abbrev=False,
        description="Show what octets mean: frames, APDUs, values. Exit code: 0 all read, 1 not all, 2 bad usage.",
    )
    add = made.add_argument
    add("octets", nargs="*", metavar="HEX", help="with any separators; - is standard input")
    add("--file", metavar="FILE", help="hexadecimal, or a capture; - is standard input")
    add("--transport", choices=[*Kind], default="auto", help="what the octets are (default: as they look)")
    add("--keys-file", metavar="FILE", help="keys that open protected APDUs; mode 0600")
    add("--system-title", default="", metavar="TITLE", help="the client's, where the octets do not tell it")
    add("--server-title", default="", metavar="TITLE", help="the meter's, where the octets do not tell it")
    add("--json", action="store_true", help="print JSON")
    return made


@dataclass(frozen=True, slots=True)
class Part:
    """Trees that became complete with one piece of the input."""

    head: str
    nodes: list[Node]


def main(argv: Sequence[str] | None = None) -> int:
    """Show octets as the arguments say; return the exit code."""
    return command(_parser(), argv, _decode)


def _decode(arguments: argparse.Namespace) -> int:
    text = _text(arguments)
    keys, kind = _keys(arguments), Kind(arguments.transport)
    parts = _capture(text, kind, keys) if text.lstrip().startswith("{") else _octets(text, kind, keys)
    return SOME_DONE if _show(parts, as_json=arguments.json) else ALL_DONE


def _show(parts: Iterator[Part], *, as_json: bool) -> bool:
    """Print trees as they come, so that they need not be kept; return whether any of them has a fault."""
    faulty, between = False, "["
    for part in parts:
        if not as_json:
            sys.stdout.writelines(f"{line}\n" for line in _lines(part))
        for node in part.nodes:
            faulty = faulty or node.faulty
            if as_json:
                sys.stdout.write(between + json.dumps(_json(node)))
                between = ",\n"
    if as_json:
        sys.stdout.write("]\n" if between != "[" else "[]\n")
    return faulty


def _text(arguments: argparse.Namespace) -> str:
    if arguments.file and arguments.octets:
        raise BadArgument("either octets or --file, not both")
    if arguments.file not in {None, "-"}:
        return _read(Path(arguments.file))
    if arguments.file == "-" or arguments.octets == ["-"]:
        return sys.stdin.read(MAX_INPUT)
    if not arguments.octets:
        raise BadArgument("no octets: give hexadecimal, --file, or - for standard input")
    return " ".join(arguments.octets)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(MAX_INPUT)
    except OSError as error:
        raise BadArgument(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadArgument(f"{path} is no text") from None


def _keys(arguments: argparse.Namespace) -> SecuritySettings | None:
    if not (arguments.keys_file or arguments.system_title or arguments.server_title):
        return None
    from common.key_file import system_title
    from poller.dlms.security import Security
    from poller.keys import Keys, load_keys

    keys = load_keys(Path(arguments.keys_file)) if arguments.keys_file else Keys()
    return keys.security(
        Security.NONE, system_title(arguments.system_title), server_title=system_title(arguments.server_title)
    )


def _octets(text: str, kind: Kind, keys: SecuritySettings | None) -> Iterator[Part]:
    try:
        octets = bytes.fromhex(_SEPARATORS.sub("", text))
    except ValueError:
        raise BadArgument("not hexadecimal, or an odd number of digits") from None
    return _pieces(octets, kind_of(octets) if kind is Kind.AUTO else kind, keys)


def _pieces(octets: bytes, kind: Kind, keys: SecuritySettings | None) -> Iterator[Part]:
    """Yield the trees of a line piece by piece, those of an APDU or a value at once."""
    explainer = Explainer(kind, keys)
    step = PIECE if kind in {Kind.HDLC, Kind.WRAPPER} else max(len(octets), 1)
    for at in range(0, len(octets), step):
        yield Part("", explainer.feed(octets[at : at + step]))
    yield Part("", explainer.finish())


def _capture(text: str, kind: Kind, keys: SecuritySettings | None) -> Iterator[Part]:
    return _recorded(parse_capture(text.splitlines()), kind, keys)


def _recorded(capture: Capture, kind: Kind, keys: SecuritySettings | None) -> Iterator[Part]:
    explainer = Explainer(Kind(capture.header.transport) if kind is Kind.AUTO else kind, keys)
    for piece in capture.pieces:
        sign = ">" if piece.way == OUT else "<"
        yield Part(f"{sign} {piece.ms / 1000:.3f} s", explainer.feed(piece.octets, piece.way))
    yield Part("? at the end", explainer.finish())


def _lines(part: Part) -> Iterator[str]:
    if part.head and part.nodes:
        yield part.head
    for root in part.nodes:
        for depth, node in root.walk():
            shown = node.octets[:SHOWN_OCTETS].hex() + ("…" if len(node.octets) > SHOWN_OCTETS else "")
            mark = "+" if node.derived else "!" if node.fault else " "
            text = f"{node.name}: {node.meaning}" if node.meaning else node.name
            yield f"{mark}{node.offset:6} {shown:<{2 * SHOWN_OCTETS + 1}} {'  ' * depth}{text}"


def _json(node: Node) -> dict[str, object]:
    row: dict[str, object] = {"offset": node.offset, "octets": node.octets.hex(), "name": node.name}
    if node.meaning:
        row["meaning"] = node.meaning
    if node.fault:
        row["fault"] = True
    if node.derived:
        row["derived"] = True
    if node.children:
        row["children"] = [_json(child) for child in node.children]
    return row
