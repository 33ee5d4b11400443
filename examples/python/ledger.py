#!/usr/bin/env python3
"""Write while you kill nodes, and prove at the end that nothing acknowledged was lost.

    everstore demo                                          # in one terminal
    python3 examples/python/ledger.py --seconds 30          # in another
    kill -9 PID                                             # of any node, as often as you like

Start a killed node again with the command that the demo prints before you kill the next one: with
two of three nodes gone nothing can be promised, and writes wait until one is back.
"""

import argparse
import sys
import threading
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


class Writer(threading.Thread):
    """Writes its own keys one after the other and notes what it was promised."""

    def __init__(self, run: str, number: int, nodes: list[str], deadline: float):
        super().__init__(daemon=True)
        self.prefix = run
        self.number = number
        self.nodes = nodes
        self.deadline = deadline
        self.acknowledged = 0  # keys 0 .. acknowledged were promised, except those in `unknown`
        self.unknown: set[int] = set()
        self.longest_pause = 0.0
        self.moves = 0

    def run(self):
        turn, at = 0, self.number
        store = client(self.nodes[at % len(self.nodes)])
        last = time.monotonic()
        while time.monotonic() < self.deadline:
            try:
                store.set(self.key(turn), turn)
            except (redis.RedisError, OSError):
                # Not acknowledged: it may be there or not, both are right. Go on at another node.
                self.unknown.add(turn)
                self.moves += 1
                at += 1
                store = client(self.nodes[at % len(self.nodes)])
                time.sleep(0.05)
            else:
                now = time.monotonic()
                self.longest_pause = max(self.longest_pause, now - last)
                last = now
            turn += 1
            self.acknowledged = turn

    def key(self, turn: int) -> str:
        return f"{self.prefix}:{self.number}:{turn}"

    def promised(self) -> list[int]:
        return [turn for turn in range(self.acknowledged) if turn not in self.unknown]


def client(address: str) -> redis.Redis:
    """One that never repeats a command by itself, so that every answer is an honest one."""
    host, port = address.rsplit(":", 1)
    retry = Retry(NoBackoff(), 0)
    return redis.Redis(host=host, port=int(port), decode_responses=True, socket_timeout=15, retry=retry)


def lost(writer: Writer, nodes: list[str]) -> list[str]:
    """Promised keys that are not there, read through the first node that answers."""
    missing = []
    promised = writer.promised()
    for start in range(0, len(promised), 500):
        part = promised[start : start + 500]
        for value, turn in zip(read(nodes, [writer.key(t) for t in part]), part, strict=True):
            if value != str(turn):
                missing.append(writer.key(turn))
    return missing


def read(nodes: list[str], keys: list[str]) -> list[str | None]:
    deadline = time.monotonic() + 60
    while True:
        for address in nodes:
            try:
                return client(address).mget(keys)
            except (redis.RedisError, OSError):
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.2)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--nodes", default="127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003")
    arguments.add_argument("--seconds", type=float, default=30)
    arguments.add_argument("--writers", type=int, default=6)
    given = arguments.parse_args()
    nodes = given.nodes.split(",")

    run = f"example:ledger:{time.time_ns()}"  # keys of their own: earlier runs prove nothing
    deadline = time.monotonic() + given.seconds
    writers = [Writer(run, i, nodes, deadline) for i in range(given.writers)]
    for writer in writers:
        writer.start()
    print(f"writing for {given.seconds:g} s through {len(nodes)} nodes; kill one", flush=True)
    for writer in writers:
        writer.join()

    promised = sum(len(writer.promised()) for writer in writers)
    unknown = sum(len(writer.unknown) for writer in writers)
    missing = [key for writer in writers for key in lost(writer, nodes)]
    print(f"{promised} writes acknowledged, {unknown} without an answer (their node died)")
    print(f"longest pause between two acknowledged writes of one writer: {max(w.longest_pause for w in writers):.2f} s")
    print(f"{len(missing)} acknowledged writes lost")
    for key in missing[:10]:
        print(f"  lost: {key}")
    return 1 if missing or promised == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
