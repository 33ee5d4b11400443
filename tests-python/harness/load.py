"""As many writes as a machine gives: pipelining processes, and the exact account of what they were answered.

    EVERSTORE_LOAD_WRITERS    how many processes write; else 6
    EVERSTORE_LOAD_SECONDS    how long each part of a test lasts; else 3
"""

import multiprocessing
import os
import socket
import time
from dataclasses import dataclass, field

from .cluster import Node, connect

# Commands that a writer has under way at a time: so many SETs, and so many INCRs.
SETS, INCRS = 48, 16
# Keys of a writer, which it writes again and again. Each belongs to it alone, so what it has to be is known.
KEYS = 40 * SETS
PADDING = "x" * 40


def writers() -> int:
    return int(os.environ.get("EVERSTORE_LOAD_WRITERS") or 6)


def seconds() -> float:
    return float(os.environ.get("EVERSTORE_LOAD_SECONDS") or 3)


@dataclass
class Account:
    """What one writer was answered."""

    # The last value of each key, and how often each counter was counted up.
    values: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    # Longest time from sending a batch to its last answer, seconds.
    longest: float = 0.0


def _encode(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)


def _exchange(sock: socket.socket, batch: bytes, answers: int) -> list[bytes]:
    """Sends a batch; its answers, each of one line."""
    sock.sendall(batch)
    got = b""
    while got.count(b"\r\n") < answers:
        part = sock.recv(1 << 16)
        if not part:
            raise OSError("the connection was closed")
        got += part
    return got.split(b"\r\n")[:answers]


def _write(port: int, number: int, stop, done, result):
    """Writes until it is stopped, or is answered anything but what must be."""
    account, turn = Account(), 0
    counters = [f"count:{number}:{i}" for i in range(INCRS)]
    account.counts = dict.fromkeys(counters, 0)
    increments = b"".join(_encode("INCR", counter) for counter in counters)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            while not stop.is_set() and not account.errors:
                keys = [f"load:{number}:{(turn * SETS + i) % KEYS}" for i in range(SETS)]
                value = f"{turn}:{PADDING}"
                began = time.monotonic()
                sets = b"".join(_encode("SET", key, value) for key in keys)
                answers = _exchange(sock, sets + increments, SETS + INCRS)
                turn += 1
                expected = [b"+OK"] * SETS + [b":%d" % turn] * INCRS
                wrong = [(at, answer) for at, answer in enumerate(answers) if answer != expected[at]]
                account.errors += [f"turn {turn}, command {at}: {answer!r}" for at, answer in wrong[:3]]
                account.values.update(dict.fromkeys(keys, value))
                account.counts = dict.fromkeys(counters, turn)
                account.longest = max(account.longest, time.monotonic() - began)
                done.value += SETS + INCRS
    except OSError as error:
        account.errors.append(repr(error))
    result.send(account)


class Load:
    """Processes that write through given nodes, each with a connection and a pipeline of its own."""

    def __init__(self, through: list[Node]):
        context = multiprocessing.get_context("fork")
        self._stop = context.Event()
        self._done = [context.Value("Q", 0, lock=False) for _ in range(writers())]
        self._results, self._processes = [], []
        self.accounts: list[Account] = []
        for number, done in enumerate(self._done):
            mine, theirs = context.Pipe(duplex=False)
            arguments = (through[number % len(through)].port, number, self._stop, done, theirs)
            self._results.append(mine)
            self._processes.append(context.Process(target=_write, args=arguments, daemon=True))

    def __enter__(self) -> "Load":
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for process, result in zip(self._processes, self._results, strict=True):
            assert result.poll(120), "a writer hangs"
            self.accounts.append(result.recv())
            process.join(10)

    def written(self) -> int:
        return sum(done.value for done in self._done)

    def rate(self, work) -> float:
        """Answered writes per second while `work` is done."""
        count, began = self.written(), time.monotonic()
        work()
        return (self.written() - count) / (time.monotonic() - began)

    @property
    def errors(self) -> list[str]:
        return [error for account in self.accounts for error in account.errors]

    @property
    def longest(self) -> float:
        return max(account.longest for account in self.accounts)

    def check(self, node: Node):
        """Every key and every counter is what the last answer about it said."""
        with connect(node.port) as client:
            for account in self.accounts:
                expected = account.values | {name: str(count) for name, count in account.counts.items()}
                names = list(expected)
                found = dict(zip(names, client.mget(names), strict=True))
                wrong = {name: (found[name], expected[name]) for name in names if found[name] != expected[name]}
                assert not wrong, f"{len(wrong)} of {len(names)} are not what was answered: {list(wrong.items())[:3]}"
