"""Writers under faults, and the account of what they were promised."""

import threading
import time

import redis

from .cluster import Node


class Ledger:
    """Threads that write through given nodes; every acknowledged write is kept and checked later.

    `counter_per_thread` writers also count with INCR, where a write that is run twice shows up.
    """

    def __init__(self, through: list[Node], threads: int = 4, keyspace: int = 0, value_size: int = 16):
        self.through = through
        self.keyspace = keyspace
        self.padding = "x" * value_size
        self.acknowledged: dict[str, str] = {}
        self.counted: dict[str, list[int]] = {}
        self.errors: list[str] = []
        # Longest time between two acknowledged writes of one writer, in seconds.
        self.longest_gap = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(i, through[i % len(through)]), daemon=True)
            for i in range(threads)
        ]

    def __enter__(self) -> "Ledger":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"

    def wait_for_more(self, count: int = 200, patience: float = 60):
        """Until `count` more writes are acknowledged: load is flowing."""
        goal = len(self.acknowledged) + count
        deadline = time.monotonic() + patience
        while len(self.acknowledged) < goal:
            assert time.monotonic() < deadline, f"writes do not flow; errors: {self.errors[:3]}"
            time.sleep(0.01)

    def _write(self, number: int, node: Node):
        client = node.client(db=self.keyspace)
        counter = f"counter:{number}"
        counts = self.counted.setdefault(counter, [])
        turn, last = 0, time.monotonic()
        while not self._stop.is_set():
            key, value = f"ledger:{number}:{turn}", f"{turn}:{self.padding}"
            try:
                if client.set(key, value):
                    with self._lock:
                        self.acknowledged[key] = value
                counts.append(client.incr(counter))
                now = time.monotonic()
                with self._lock:
                    self.longest_gap = max(self.longest_gap, now - last)
                last = now
            except (redis.RedisError, OSError) as error:
                with self._lock:
                    self.errors.append(f"node {node.number}: {type(error).__name__} {error}")
                time.sleep(0.02)
            turn += 1
        client.close()

    def check(self, node: Node):
        """No acknowledged write is lost, and every INCR counted exactly once."""
        client = node.client(db=self.keyspace)
        keys = list(self.acknowledged)
        lost = []
        for start in range(0, len(keys), 500):
            part = keys[start : start + 500]
            pipeline = client.pipeline(transaction=False)
            for key in part:
                pipeline.get(key)
            found = pipeline.execute()
            lost += [k for k, v in zip(part, found, strict=True) if v != self.acknowledged[k]]
        assert not lost, f"{len(lost)} of {len(keys)} acknowledged writes are lost: {lost[:5]}"
        if not self.errors:
            for counter, counts in self.counted.items():
                assert counts == list(range(1, len(counts) + 1)), f"{counter} did not count by one"
                assert int(client.get(counter) or 0) == len(counts)
        client.close()
