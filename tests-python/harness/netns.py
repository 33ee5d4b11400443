"""A network namespace for each node, a switch between them, and cables that can be cut.

Each namespace has one address 10.77.0.N on a cable to a bridge, which lives in a namespace of its own, so
that nothing of this is visible or reachable outside. A packet to a node goes to that node's hardware
address, which each namespace has in a fixed table: pointing one entry at nobody loses all packets
of one direction between two nodes, silently and without any packet filter.
"""

import ctypes
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from redis import ConnectionPool, Redis
from redis.connection import Connection

from .cluster import BARE, Node

CLONE_NEWNET = 0x4000_0000
NOBODY = "02:77:00:00:ff:ff"
_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str | None:
    """Why there can be no namespaces here, in words, or nothing."""
    if shutil.which("ip") is None:
        return "network namespaces need the program 'ip' (iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"ev-{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f"network namespaces are not permitted here: {made.stderr.strip()}"
    tried = subprocess.run(
        ["ip", "-n", name, "link", "add", "name", "br0", "type", "bridge"], capture_output=True, text=True, check=False
    )
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None if tried.returncode == 0 else f"a bridge is not permitted here: {tried.stderr.strip()}"


def ip(*words: str):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"


def sweep():
    """Removes what a run has left that was killed."""
    for path in Path("/run/netns").glob("ev-*"):
        owner = path.name.split("-")[1]
        if not Path("/proc", owner).exists():
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False)


@contextmanager
def inside(name: str):
    """The calling thread, and processes it starts, are in the namespace meanwhile."""
    with open("/proc/thread-self/ns/net") as back, open(f"/run/netns/{name}") as there:
        enter(there.fileno())
        try:
            yield
        finally:
            enter(back.fileno())


def enter(descriptor: int):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Net:
    """Namespaces for nodes 1 to `count`. Call `destroy` in any case."""

    def __init__(self, count: int = 3):
        self.count = count
        self.prefix = f"ev-{os.getpid()}"
        self.switch = f"{self.prefix}-switch"
        # Directed pairs (from, to) that lose everything.
        self.lost: set[tuple[int, int]] = set()

    def create(self) -> "Net":
        sweep()
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "name", "bridge", "type", "bridge")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        for n in self.numbers():
            name = self.name(n)
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            cable = ["link", "add", "name", "cable", "address", self.hardware(n), "type", "veth", "peer"]
            ip("-n", name, *cable, "name", f"port{n}", "netns", self.switch)
            ip("-n", self.switch, "link", "set", f"port{n}", "master", "bridge", "up")
            ip("-n", name, "address", "add", f"{self.address(n)}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
        self.heal()
        return self

    def destroy(self):
        for name in (*(self.name(n) for n in self.numbers()), self.switch):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def numbers(self) -> range:
        return range(1, self.count + 1)

    def name(self, n: int) -> str:
        return f"{self.prefix}-{n}"

    @staticmethod
    def address(n: int) -> str:
        return f"10.77.0.{n}"

    @staticmethod
    def hardware(n: int) -> str:
        return f"02:77:00:00:00:{n:02x}"

    def lose(self, *pairs: tuple[int, int]):
        """From now on exactly these directions lose everything."""
        self.lost = set(pairs)
        for source in self.numbers():
            lines = []
            for target in self.numbers():
                if target != source:
                    to = NOBODY if (source, target) in self.lost else self.hardware(target)
                    lines.append(f"neigh replace {self.address(target)} lladdr {to} nud permanent dev cable")
            done = subprocess.run(
                ["ip", "-n", self.name(source), "-batch", "-"], input="\n".join(lines) + "\n",
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr

    def heal(self):
        self.lose()

    def cut_off(self, n: int):
        """One node hears nobody and nobody hears it."""
        others = [m for m in self.numbers() if m != n]
        self.lose(*((n, m) for m in others), *((m, n) for m in others))

    def cut_between(self, a: int, b: int):
        """Two nodes do not hear each other; everybody else hears both."""
        self.lose((a, b), (b, a))

    def deafen(self, n: int):
        """A node hears nobody, but all hear it."""
        self.lose(*((m, n) for m in self.numbers() if m != n))

    def silence(self, n: int):
        """Nobody hears a node that hears all."""
        self.lose(*((n, m) for m in self.numbers() if m != n))

    def unplug(self, n: int):
        """The cable of a node has no carrier: its kernel knows."""
        ip("-n", self.switch, "link", "set", f"port{n}", "down")

    def plug(self, n: int):
        ip("-n", self.switch, "link", "set", f"port{n}", "up")

    def node(self, number: int, folder: Path) -> "NetNode":
        return NetNode(self, number, folder)


class NetNode(Node):
    """A node inside of its namespace. Redis clients reach it there, over its loopback."""

    def __init__(self, net: Net, number: int, folder: Path):
        self.net = net
        super().__init__(number, folder)
        self.flags = ("--bind", f"{net.address(number)},127.0.0.1")

    @property
    def peer_address(self) -> str:
        return f"{self.net.address(self.number)}:{self.peer_port}"

    def spawn(self, command, log, env):
        with inside(self.net.name(self.number)):
            return super().spawn(command, log, env)

    def connection(self) -> Connection:
        return InsideConnection(self.net.name(self.number), host="127.0.0.1", port=self.port, **BARE)

    def client(self, **options) -> Redis:
        options = BARE | {"decode_responses": True} | options
        name = self.net.name(self.number)
        pool = ConnectionPool(InsideConnection, namespace=name, host="127.0.0.1", port=self.port, **options)
        return Redis.from_pool(pool)


class InsideConnection(Connection):
    """A socket belongs to the namespace it was made in, whoever uses it."""

    def __init__(self, namespace: str, **options):
        self.namespace = namespace
        super().__init__(**options)

    def _connect(self):
        with inside(self.namespace):
            return super()._connect()
