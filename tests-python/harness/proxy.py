"""Proxies in front of the peer ports: every connection between two nodes goes through one of them.

A node advertises its proxy's address (`peer-advertise`), so the others call that. Who calls is read from
the handshake, which is not encrypted; so each direction between two nodes can be treated on its own.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from pathlib import Path

from .cluster import Node
from .ports import free_port

READ = 1 << 16
IDENTITY = 2


class Link:
    """How one direction between two nodes is treated."""

    def __init__(self):
        self.delay = 0.0
        # Nothing passes; what came meanwhile passes late.
        self.stalled = False
        # Connections are reset and new ones too.
        self.cut = False
        # Bytes after which the connection is reset, most likely in the middle of a frame.
        self.reset_after: int | None = None
        # The next bytes are changed on their way.
        self.corrupt = False
        # Bytes per piece; small ones make frames come in many parts.
        self.piece = READ


class Proxies:
    """One proxy for each node, all in one thread. Call `destroy` in any case."""

    def __init__(self, seed: int):
        self.rng = random.Random(f"proxies:{seed}")
        self.links: dict[tuple[int, int], Link] = {}
        self.nodes: dict[int, "ProxiedNode"] = {}
        self.seen: Counter[str] = Counter()
        self._open: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def destroy(self):
        self.do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _stop(self):
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def do(self, coroutine):
        """Runs it in the proxies' thread and waits."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def node(self, number: int, folder: Path) -> "ProxiedNode":
        node = ProxiedNode(number, folder)
        self.nodes[number] = node
        self.do(asyncio.start_server(lambda r, w: self._serve(number, r, w), "127.0.0.1", node.proxy_port))
        return node

    def link(self, source: int, target: int) -> Link:
        return self.links.setdefault((source, target), Link())

    def pairs(self) -> list[tuple[int, int]]:
        return [(a, b) for a in self.nodes for b in self.nodes if a != b]

    def heal(self):
        self.links = {}

    def reset(self, a: int, b: int):
        """Resets the connections of two nodes now."""

        async def now():
            for connection in list(self._open):
                if {connection.source, connection.target} == {a, b}:
                    connection.abort()

        self.do(now())

    def cut(self, a: int, b: int):
        """Resets the connections of two nodes and all new ones."""
        self.link(a, b).cut = self.link(b, a).cut = True
        self.reset(a, b)

    async def _serve(self, target: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        """One connection to the node `target`."""
        try:
            answers, onward = await asyncio.open_connection("127.0.0.1", self.nodes[target].peer_port)
        except OSError:
            abort(writer)
            return
        connection = Connection(target, onward, writer)
        self._open.add(connection)
        self.seen["connections"] += 1
        try:
            await asyncio.gather(self._ask(connection, reader), self._pump(connection, False, answers))
        except (OSError, asyncio.IncompleteReadError, Broken):
            pass
        finally:
            connection.abort()
            self._open.discard(connection)

    async def _ask(self, connection: "Connection", reader: asyncio.StreamReader):
        connection.source = await hear_who_calls(reader, connection.onward)
        await self._pump(connection, True, reader)

    async def _pump(self, connection: "Connection", forth: bool, reader: asyncio.StreamReader):
        """Carries bytes of one direction until an end breaks; delays do not slow down what comes after."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1024)
        sending = asyncio.create_task(self._send(connection, forth, waiting))
        try:
            while not sending.done():
                data = await reader.read(READ)
                if not data:
                    raise Broken
                due = asyncio.get_running_loop().time() + self.link(*connection.pair(forth)).delay
                await waiting.put((due, data))
        finally:
            sending.cancel()
            # Both directions end together.
            connection.abort()

    async def _send(self, connection: "Connection", forth: bool, waiting: asyncio.Queue):
        writer = connection.onward if forth else connection.back
        while True:
            due, data = await waiting.get()
            if (left := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(left)
            while self.link(*connection.pair(forth)).stalled:
                await asyncio.sleep(0.01)
            link = self.link(*connection.pair(forth))
            if link.corrupt:
                link.corrupt = False
                self.seen["corrupted"] += 1
                at = self.rng.randrange(len(data))
                data = data[:at] + bytes([data[at] ^ (1 << self.rng.randrange(8))]) + data[at + 1 :]
            if link.cut or (link.reset_after is not None and len(data) > link.reset_after):
                writer.write(data[: link.reset_after or 0])
                await writer.drain()
                link.reset_after = None
                self.seen["reset"] += 1
                connection.abort()
                return
            if link.reset_after is not None:
                link.reset_after -= len(data)
            self.seen["bytes"] += len(data)
            for start in range(0, len(data), link.piece):
                writer.write(data[start : start + link.piece])
                await writer.drain()


class Connection:
    """A connection from the node `source`, 0 until it has said who it is, to the node `target`."""

    def __init__(self, target: int, onward: asyncio.StreamWriter, back: asyncio.StreamWriter):
        self.source = 0
        self.target = target
        self.onward = onward
        self.back = back

    def pair(self, forth: bool) -> tuple[int, int]:
        return (self.source, self.target) if forth else (self.target, self.source)

    def abort(self):
        abort(self.onward)
        abort(self.back)


class Broken(Exception):
    """An end has closed the connection."""


def abort(writer: asyncio.StreamWriter):
    """Closes with a reset: what was on its way is lost."""
    raw = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hear_who_calls(reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> int:
    """Passes on the caller's first messages and returns the node id in its identity; 0 is a joining node."""
    while True:
        length = await reader.readexactly(4)
        message = await reader.readexactly(int.from_bytes(length, "little"))
        onward.write(length + message)
        if message[1] == IDENTITY:
            # Version, kind, purpose, then the cluster's id with its length, then the node's id.
            return number(message, 4 + message[3])


def number(data: bytes, at: int) -> int:
    """A LEB128 number."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value
        at, shift = at + 1, shift + 7


class ProxiedNode(Node):
    """A node that the others reach through its proxy."""

    def __init__(self, number: int, folder: Path):
        super().__init__(number, folder)
        self.proxy_port = free_port()
        self.flags = ("--peer-advertise", f"127.0.0.1:{self.proxy_port}")

    @property
    def peer_address(self) -> str:
        return f"127.0.0.1:{self.proxy_port}"
