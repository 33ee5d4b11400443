"""Concurrent clients that record every command: when it was called, when and how it ended.

A history is a file of JSON lines as `docs/formats/history.md` has it, one per command and key; those of
one connection stand in the order sent. A command that was not sent is not recorded. A reply that never
came is an unknown outcome: the write may have been done once, at any time after its call, or never.
"""

import itertools
import json
import random
import threading
import time
from pathlib import Path

import redis
from redis.connection import Connection

from .cluster import Node

KEYS = 60
# A key is replaced by a fresh one after about this many commands, so that a checker can take each alone.
KEY_LIFE = 300
# Errors that say nothing was done; redis-py takes the first word of some and makes a type of it.
NOT_DONE_TYPES = (redis.exceptions.ClusterDownError, redis.BusyLoadingError)
NOT_DONE_WORDS = ("CLUSTERDOWN", "MISCONF", "OOM")
GET, DEL, INCR = "get", "del", {"incr_by": {"by": 1}}


def put(value: str, **options) -> dict:
    return {"set": {"value": value, **options}}


class Keys:
    """The keys in use, by kind of their value."""

    def __init__(self):
        self._lock = threading.Lock()
        self._left = [KEY_LIFE] * KEYS
        self._age = [0] * KEYS
        self.used: set[str] = set()

    def take(self, rng: random.Random) -> str:
        """`register:`, `counter:` or `list:`, in the proportion 4 : 1 : 1."""
        with self._lock:
            n = rng.randrange(KEYS)
            self._left[n] -= 1
            if self._left[n] < 0:
                self._left[n] = rng.randrange(KEY_LIFE // 2, KEY_LIFE * 2)
                self._age[n] += 1
            kind = {0: "counter", 1: "list"}.get(n % 6, "register")
            key = f"{kind}:{n}:{self._age[n]}"
            self.used.add(key)
            return key


class History:
    """Threads that issue commands through given nodes until stopped, and the record of it."""

    def __init__(
        self, path: Path, nodes: list[Node], seed: int, threads: int = 6, pause: float = 0.0, fat: int = 0
    ):
        self.path = path
        self.nodes = nodes
        self.seed = seed
        self.pause = pause
        # Follows each value of a register, so that logs grow; the record has the values without it.
        self.padding = ":" + "x" * fat if fat else ""
        self.keys = Keys()
        self.counts = {"done": 0, "not_done": 0, "unknown": 0}
        self.acknowledged_writes = 0
        self.strange: list[str] = []
        self._lock = threading.Lock()
        self.connections = itertools.count(1)
        self._file = open(path, "w", buffering=1 << 16)
        self._file.write('{"history":{"format":1}}\n')
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(threads)]

    def __enter__(self) -> "History":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends all clients; commands that are under way end first."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"
        with self._lock:
            self._file.flush()

    def wait_for_more(self, count: int = 200, patience: float = 60):
        """Until `count` more writes are acknowledged: load is flowing."""
        goal = self.acknowledged_writes + count
        deadline = time.monotonic() + patience
        while self.acknowledged_writes < goal:
            assert time.monotonic() < deadline, f"writes do not flow: {self.counts} {self.strange[:3]}"
            time.sleep(0.01)

    def finish(self) -> Path:
        """Reads every key ever used through every node, flagged final. The cluster must be healthy."""
        self.stop()
        for node in self.nodes:
            client = Client(self, 1000 + node.number, [node], random.Random(0))
            keys = sorted(self.keys.used)
            for start in range(0, len(keys), 100):
                part = keys[start : start + 100]
                client.batch([Command(["GET", k], [(k, GET)]) for k in part], final=True)
            client.close()
        with self._lock:
            self._file.close()
        assert self.strange == [], f"errors that no client should see: {self.strange[:5]}"
        return self.path

    def write(self, operations: list[dict]):
        with self._lock:
            for operation in operations:
                outcome = operation["outcome"]
                self.counts["done" if isinstance(outcome, dict) else outcome] += 1
                if isinstance(outcome, dict) and operation["action"] != GET:
                    self.acknowledged_writes += 1
                self._file.write(json.dumps({"operation": operation}, separators=(",", ":")) + "\n")

    def _run(self, number: int):
        rng = random.Random(f"{self.seed}:{number}")
        at = number % len(self.nodes)
        client = Client(self, number, self.nodes[at:] + self.nodes[:at], rng)
        while not self._stop.is_set():
            client.batch([client.invent() for _ in range(rng.choice((1, 1, 1, 2, 4)))])
            if self.pause:
                time.sleep(rng.random() * 2 * self.pause)
        client.close()


class Command:
    """What goes over the wire, and for each key what it means."""

    def __init__(self, words: list, parts: list[tuple[str, dict]]):
        self.words = words
        self.parts = parts


def in_the_record(reply) -> str | dict:
    if reply is None:
        return "nil"
    if isinstance(reply, int):
        return {"integer": reply}
    return "ok" if reply == "OK" else {"value": reply}


class Client:
    """One connection at a time; commands are sent once, whatever happens."""

    def __init__(self, history: History, number: int, nodes: list[Node], rng: random.Random):
        self.history = history
        self.number = number
        self.nodes = nodes
        self.rng = rng
        self.connection: Connection | None = None
        self.connection_number = 0
        self.writes = 0

    def value(self) -> str:
        """A value that no other write has."""
        self.writes += 1
        return f"{self.number}-{self.writes}"

    def invent(self) -> Command:
        key = self.history.keys.take(self.rng)
        kind = key.split(":")[0]
        if kind == "counter":
            if self.rng.random() < 0.8:
                return Command(["INCR", key], [(key, INCR)])
            return Command(["GET", key], [(key, GET)])
        if kind == "list":
            if self.rng.random() < 0.7:
                value = self.value() + ";"
                return Command(["APPEND", key, value], [(key, {"append": {"value": value}})])
            return Command(["GET", key], [(key, GET)])
        return self.register(key)

    def register(self, key: str) -> Command:
        drawn, fat = self.rng.random(), self.history.padding
        if drawn < 0.30:
            return Command(["GET", key], [(key, GET)])
        if drawn < 0.55:
            value = self.value()
            return Command(["SET", key, value + fat], [(key, put(value))])
        if drawn < 0.65:
            return Command(["DEL", key], [(key, DEL)])
        if drawn < 0.78:
            value = self.value()
            return Command(["SET", key, value + fat, "NX"], [(key, put(value, condition="nx"))])
        if drawn < 0.88:
            value = self.value()
            return Command(["SET", key, value + fat, "GET"], [(key, put(value, get=True))])
        keys = {key} | {k for k in (self.history.keys.take(self.rng) for _ in range(3)) if k[0] == "r"}
        keys = sorted(keys)
        if drawn < 0.94:
            return Command(["MGET", *keys], [(k, GET) for k in keys])
        values = {k: self.value() for k in keys}
        words = [word for k, v in values.items() for word in (k, v + fat)]
        return Command(["MSET", *words], [(k, put(v)) for k, v in values.items()])

    def batch(self, commands: list[Command], final: bool = False):
        """Sends all, then reads the replies."""
        if not self.connect():
            assert not final, "a healthy node takes no connection"
            return
        replied = 0
        call = time.monotonic_ns()
        try:
            packed = self.connection.pack_commands([command.words for command in commands])
            self.connection.send_packed_command(packed)
            for command in commands:
                try:
                    reply = self.connection.read_response(disconnect_on_error=False)
                except redis.ResponseError as error:
                    reply = error
                replied += 1
                self.record(command, call, time.monotonic_ns(), reply, final)
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            assert not final, f"a final read failed: {error!r}"
            self.close()
            for command in commands[replied:]:
                self.record(command, call, None, None, final)
            self.nodes.append(self.nodes.pop(0))

    def record(self, command: Command, call: int, returned: int | None, reply, final: bool):
        outcome = "unknown"
        if isinstance(reply, Exception):
            outcome = self.judge(reply, command, final)
        operations = []
        for n, (key, action) in enumerate(command.parts):
            operation = {"client": self.number, "connection": self.connection_number, "call_ns": call}
            operation |= {"return_ns": returned, "keyspace": "sync", "key": key, "action": action}
            if final:
                operation["promise"] = "final"
            if returned is not None and not isinstance(reply, Exception):
                one = self.result(key, reply[n] if isinstance(reply, list) else reply)
                outcome = {"done": in_the_record(one)}
            operation["outcome"] = outcome
            operations.append(operation)
        self.history.write(operations)

    def result(self, key: str, reply):
        if not isinstance(reply, bytes):
            return reply
        text, padding = reply.decode(), self.history.padding
        if not padding or not key.startswith("register") or text == "OK":
            return text
        if not text.endswith(padding) or ":" in text[: -len(padding)]:
            self.history.strange.append(f"{key} has a damaged value of {len(text)} bytes: {text[:40]}")
        return text[: -len(padding)]

    def judge(self, error: Exception, command: Command, final: bool) -> str:
        assert not final, f"a final read was refused: {error!r}"
        if isinstance(error, NOT_DONE_TYPES) or str(error).startswith(NOT_DONE_WORDS):
            # Of a command with keys in several slots, other parts may have been done.
            return "not_done" if len(command.parts) == 1 else "unknown"
        if not str(error).startswith("UNKNOWN"):
            self.history.strange.append(f"{command.words}: {error!r}")
        return "unknown"

    def connect(self) -> bool:
        """To the first of its nodes that takes it; the others are tried the next time."""
        if self.connection is not None:
            return True
        connection = self.nodes[0].connection()
        try:
            connection.connect()
        except (redis.RedisError, OSError):
            connection.disconnect()
            self.nodes.append(self.nodes.pop(0))
            time.sleep(0.02)
            return False
        self.connection = connection
        self.connection_number = next(self.history.connections)
        return True

    def close(self):
        if self.connection is not None:
            self.connection.disconnect()
            self.connection = None
