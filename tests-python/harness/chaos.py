"""Random faults on the processes of a cluster, repeatable by their seed.

    EVERSTORE_CHAOS_SEED      the seed; else a fresh one is drawn and printed
    EVERSTORE_CHAOS_SECONDS   how long each such test runs; else each has its own short time
"""

import os
import random
import signal
import time
from collections import Counter

from .cluster import Cluster, Node


def seed(what: str) -> int:
    """The seed of this run, printed so that a failure can be repeated."""
    given = os.environ.get("EVERSTORE_CHAOS_SEED")
    number = int(given) if given else random.SystemRandom().randrange(1 << 32)
    print(f"{what}: EVERSTORE_CHAOS_SEED={number}")
    return number


def seconds(short: float) -> float:
    return float(os.environ.get("EVERSTORE_CHAOS_SECONDS") or short)


class Chaos:
    """Kills, stops and restarts nodes; at the end everything runs again and is healthy."""

    # Name and weight of each fault. More nodes may be down than a majority bears: then clients wait.
    FAULTS = {"kill": 5, "pause": 6, "terminate": 2, "kill_all": 1, "absence": 1, "switchover": 3, "quiet": 2}

    def __init__(self, cluster: Cluster, number: int, faults: dict[str, int] | None = None):
        self.cluster = cluster
        self.rng = random.Random(f"chaos:{number}")
        self.faults = faults or self.FAULTS
        self.injected: Counter[str] = Counter()
        self.down: dict[Node, float] = {}
        self.paused: dict[Node, float] = {}

    def run(self, duration: float) -> "Chaos":
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self.recover()
            self.watch()
            name = self.rng.choices(list(self.faults), list(self.faults.values()))[0]
            # Mostly one after another, or nothing would ever be written.
            if not (self.down or self.paused) or self.rng.random() < 0.2:
                getattr(self, name)()
            self.wait(self.rng.uniform(0.05, 0.6))
        return self

    def heal(self) -> "Chaos":
        self.recover(everything=True)
        self.cluster.wait_healthy()
        print(f"injected: {dict(self.injected)}")
        return self

    def wait(self, duration: float):
        end = time.monotonic() + duration
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.02))
            self.recover()

    def watch(self):
        """A node that ends by itself is a failure, whatever the history says."""
        ended = [n for n in self.cluster.nodes if not n.runs() and n not in self.down]
        assert not ended, f"node {ended[0].number} ended by itself\n{self.cluster.logs()}"

    def recover(self, everything: bool = False):
        now = time.monotonic()
        for node, until in list(self.paused.items()):
            if everything or now >= until:
                node.signal(signal.SIGCONT)
                del self.paused[node]
        for node, until in list(self.down.items()):
            if everything and node.runs():
                node.end()
            if (everything or now >= until) and not node.runs():
                self.restart(node)
                del self.down[node]

    def restart(self, node: Node):
        self.cluster.restart(node)

    def victim(self) -> Node | None:
        running = [n for n in self.cluster.nodes if n not in self.down and n not in self.paused]
        return self.rng.choice(running) if running else None

    def kill(self):
        if node := self.victim():
            self.kill_node(node)
            self.injected["kill"] += 1

    def kill_node(self, node: Node):
        node.kill()
        self.paused.pop(node, None)
        self.down[node] = time.monotonic() + self.rng.uniform(0.0, 1.5)

    def absence(self):
        """Long enough that the others may have freed the log it needs: a snapshot brings it back."""
        if node := self.victim():
            self.kill_node(node)
            self.down[node] = time.monotonic() + self.rng.uniform(3.0, 6.0)
            self.injected["absence"] += 1

    def pause(self):
        if node := self.victim():
            node.signal(signal.SIGSTOP)
            self.paused[node] = time.monotonic() + 0.01 * 200 ** self.rng.random()
            self.injected["pause"] += 1

    def terminate(self):
        if node := self.victim():
            node.signal(signal.SIGTERM)
            self.down[node] = time.monotonic() + self.rng.uniform(0.1, 2.0)
            self.injected["terminate"] += 1

    def kill_all(self):
        for node in self.cluster.nodes:
            if node.runs():
                node.process.kill()
        for node in self.cluster.nodes:
            self.kill_node(node)
        self.injected["kill_all"] += 1

    def switchover(self):
        node = self.victim()
        if node is None:
            return
        connection = node.connection()
        connection.socket_timeout = 0.5
        try:
            connection.connect()
            connection.send_command("FAILOVER")
            connection.read_response()
            self.injected["switchover"] += 1
        except Exception:  # noqa: BLE001 - whatever it answers in the middle of other faults is right
            pass
        connection.disconnect()

    def quiet(self):
        self.wait(self.rng.uniform(0.2, 1.0))
