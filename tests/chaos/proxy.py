"""The chaos proxy: TCP connections passed on, bent as told. One process, one loop, as many links as are asked for.

In: one JSON object per line on standard input, ``{"do": "listen", "link": NAME, "to": [HOST, PORT]}`` and the others in
``COMMANDS``. Out: one JSON object per command on standard output. It ends with its standard input.

A link has a gate for what connects, and a bend for each direction: ``up`` from the client to the real peer, ``down``
back. A stream is passed in order and whole or not at all: a connection in which octets were swallowed stays swallowed
to its end, as it is when the other side has vanished without a word. ``corrupt`` alone changes octets.
"""

import asyncio
import json
import random
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, cast

CHUNK: Final = 65536
WAITING: Final = 64  # chunks under way in one direction; then the sender is held back, as a full window does
RST: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: close sends RST
BACKLOG: Final = 512
LINE_LIMIT: Final = 1 << 20


class Gate(StrEnum):
    """What a client gets that connects."""

    OPEN = "open"
    REFUSED = "refused"  # nobody listens
    RESET = "reset"  # accepted, then RST
    MUTE = "mute"  # accepted, never answered


@dataclass(frozen=True, slots=True)
class Bend:
    """What happens to one direction. Seconds, octets, octets per second; ``corrupt``: probability per octet.

    ``reset_after``: RST to both sides once so many octets have passed in a connection; 0: never.
    """

    latency: float = 0.0
    jitter: float = 0.0
    slice: int = 0
    pause: float = 0.0
    rate: float = 0.0
    corrupt: float = 0.0
    reset_after: int = 0
    swallow: bool = False


STRAIGHT: Final = Bend()


@dataclass(slots=True)
class Link:
    """One listener and the connections through it."""

    to: tuple[str, int]
    port: int = 0
    gate: Gate = Gate.OPEN
    bends: dict[str, Bend] = field(default_factory=lambda: {"up": STRAIGHT, "down": STRAIGHT})
    server: asyncio.Server | None = None
    connections: "set[Connection]" = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("connected", "up", "down", "resets"), 0))


class Connection:
    """One client's connection and ours to the real peer."""

    def __init__(self, link: Link, client: asyncio.StreamWriter) -> None:
        self.writers = [client]
        self.swallowed = False
        self._link = link
        self._chance = random.Random(link.counts["connected"])
        self._passed = {"up": 0, "down": 0}

    async def run(self, reader: asyncio.StreamReader) -> None:
        """Pass octets on until either side has gone."""
        client = self.writers[0]
        try:
            peer_reader, peer = await asyncio.open_connection(*self._link.to)
        except OSError:
            self.reset()
            return
        self.writers.append(peer)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pass("up", reader, peer))
            tasks.create_task(self._pass("down", peer_reader, client))

    async def _pass(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take(way, reader, queue))
            tasks.create_task(self._give(way, queue, writer))

    async def _take(self, way: str, reader: asyncio.StreamReader, queue: "asyncio.Queue[tuple[float, bytes]]") -> None:
        """Read; each chunk is due after the latency of the moment, never before the one ahead of it."""
        loop = asyncio.get_running_loop()
        due = 0.0
        while True:
            try:
                octets = await reader.read(CHUNK)
            except OSError:
                octets = b""
                self.reset()
            bend = self._link.bends[way]
            due = max(due, loop.time() + bend.latency + bend.jitter * self._chance.random())
            await queue.put((due, octets))
            if not octets:
                return

    async def _give(self, way: str, queue: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, octets = await queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            self.swallowed = self.swallowed or self._link.bends[way].swallow
            if not octets:
                break
            if not self.swallowed:
                await self._send(way, octets, writer)
        if self.swallowed and way == "up":
            _abort(writer)  # the client gave up: the real peer is free for the next one
        elif not self.swallowed:
            _finish(writer)

    async def _send(self, way: str, octets: bytes, writer: asyncio.StreamWriter) -> None:
        bend = self._link.bends[way]
        if bend.corrupt:
            octets = bytes(each ^ 0x55 if self._chance.random() < bend.corrupt else each for each in octets)
        size = bend.slice or len(octets)
        for start in range(0, len(octets), size):
            piece = octets[start : start + size]
            if writer.is_closing():
                return
            writer.write(piece)
            try:
                await writer.drain()
            except OSError:
                self.reset()
                return
            self._count(way, len(piece))
            pause = bend.pause + (len(piece) / bend.rate if bend.rate else 0.0)
            if pause:
                await asyncio.sleep(pause)

    def _count(self, way: str, octets: int) -> None:
        self._passed[way] += octets
        self._link.counts[way] += octets
        limit = self._link.bends[way].reset_after
        if limit and self._passed[way] >= limit:
            self.reset()

    def reset(self) -> None:
        """End both sides by RST."""
        self._link.counts["resets"] += 1
        for writer in self.writers:
            _abort(writer)

    def vanish(self) -> None:
        """The real peer has gone without a word: it loses the connection, the client is told nothing."""
        self.swallowed = True
        for writer in self.writers[1:]:
            _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    raw = cast("socket.socket | None", writer.get_extra_info("socket"))
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    writer.transport.abort()


def _finish(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing() and writer.can_write_eof():
        try:
            writer.write_eof()
        except OSError:
            writer.close()


class Proxy:
    """All links; a command is a method."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def listen(self, link: str, to: tuple[str, int]) -> dict[str, object]:
        """Open a link to a host and port; return the port that it listens on."""
        made = self.links[link] = Link((str(to[0]), int(to[1])))
        await self._open(made)
        return {"port": made.port}

    async def bend(
        self, link: str, up: Mapping[str, float] | None = None, down: Mapping[str, float] | None = None
    ) -> dict[str, object]:
        """Bend directions; what is not named is straight. It holds for living connections, too."""
        for each in self._chosen(link):
            each.bends = {"up": replace(STRAIGHT, **(up or {})), "down": replace(STRAIGHT, **(down or {}))}  # type: ignore[arg-type]
        return {}

    async def gate(self, link: str, gate: str) -> dict[str, object]:
        """Say what clients get that connect from now on; those that are connected stay."""
        for each in self._chosen(link):
            before, each.gate = each.gate, Gate(gate)
            if each.gate is Gate.REFUSED and each.server is not None:
                each.server.close()
                each.server = None
            elif before is Gate.REFUSED and each.server is None:
                await self._open(each)
            if before is Gate.MUTE and each.gate is not Gate.MUTE:
                for connection in [one for one in each.connections if len(one.writers) == 1]:
                    connection.reset()
        return {}

    async def cut(self, link: str, how: str) -> dict[str, object]:
        """End what is connected: ``reset`` by RST to both sides, ``vanish`` without a word to the client."""
        found = [connection for each in self._chosen(link) for connection in each.connections]
        for connection in found:
            connection.reset() if how == "reset" else connection.vanish()
        return {"connections": len(found)}

    async def status(self, link: str) -> dict[str, object]:
        """Return how many are connected, were, and how many octets passed."""
        chosen = self._chosen(link)
        counts = {name: sum(each.counts[name] for each in chosen) for name in Link(("", 0)).counts}
        return {"connections": sum(len(each.connections) for each in chosen), **counts}

    def _chosen(self, link: str) -> list[Link]:
        return list(self.links.values()) if link == "*" else [self.links[link]]

    async def _open(self, link: Link) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(link, reader, writer)

        link.server = await asyncio.start_server(accept, "127.0.0.1", link.port, backlog=BACKLOG, reuse_address=True)
        link.port = int(link.server.sockets[0].getsockname()[1])

    async def _serve(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link.counts["connected"] += 1
        connection = Connection(link, writer)
        link.connections.add(connection)
        try:
            if link.gate is Gate.RESET:
                connection.reset()
            elif link.gate is Gate.MUTE:
                while await reader.read(CHUNK):
                    pass
            else:
                await connection.run(reader)
        except OSError:
            pass  # either side has gone: the connection is over
        finally:
            link.connections.discard(connection)
            for each in connection.writers:
                each.close()


COMMANDS: Final = ("listen", "bend", "gate", "cut", "status")


async def serve() -> None:
    """Carry out commands until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    proxy = Proxy()
    while line := await reader.readline():
        print(json.dumps(await _carry_out(proxy, json.loads(line))), flush=True)


async def _carry_out(proxy: Proxy, command: dict[str, object]) -> dict[str, object]:
    do = str(command.pop("do"))
    if do not in COMMANDS:
        return {"error": f"no command {do}; there are {', '.join(COMMANDS)}"}
    try:
        return cast("dict[str, object]", await getattr(proxy, do)(**command))
    except (KeyError, TypeError, ValueError, OSError) as error:
        return {"error": f"{do}: {type(error).__name__}: {error}"}


if __name__ == "__main__":
    asyncio.run(serve())
