"""One node as a process, and several of them as a cluster."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.retry import Retry

from .ports import free_port

# Longest wait for anything that is expected to happen; a loaded machine with a debug build is slow.
PATIENCE = 60.0
# Options of a connection that does nothing by itself.
BARE = {"protocol": 2, "retry": Retry(NoBackoff(), 0), "socket_timeout": 15}


def program() -> str:
    path = os.environ.get("EVERSTORE_BIN")
    assert path and Path(path).is_file(), "EVERSTORE_BIN names the program under test"
    return path


def wait_for(what, description: str, patience: float = PATIENCE):
    """Calls `what` until it gives something true and returns that."""
    deadline = time.monotonic() + patience
    last = None
    while time.monotonic() < deadline:
        try:
            last = what()
            if last:
                return last
        except (redis.RedisError, OSError, ValueError) as error:
            last = error
        time.sleep(0.05)
    raise AssertionError(f"not in {patience:.0f} s: {description}; last: {last!r}")


def connect(port: int, **options) -> redis.Redis:
    """A client that hides nothing: it never tries a command a second time by itself."""
    options.setdefault("socket_timeout", 30)
    options.setdefault("decode_responses", True)
    options.setdefault("protocol", 2)
    options.setdefault("retry", Retry(NoBackoff(), 0))
    return redis.Redis(host="127.0.0.1", port=port, **options)


class Node:
    def __init__(self, number: int, folder: Path):
        self.number = number
        self.folder = folder
        self.log = folder.parent / f"node-{number}.log"
        self.process: subprocess.Popen | None = None
        # What this node gets at every start beside what its cluster gives to all.
        self.flags: tuple[str, ...] = ()
        self.env: dict[str, str] = {}
        self.take_ports()

    def take_ports(self):
        self.port, self.peer_port, self.admin_port = free_port(), free_port(), free_port()
        # 0 = none; see `with_cluster_port`.
        self.cluster_port = 0

    def with_cluster_port(self) -> "Node":
        self.cluster_port = free_port()
        return self

    @property
    def peer_address(self) -> str:
        """Where the others call this node first."""
        return f"127.0.0.1:{self.peer_port}"

    def start(self, *flags: str, env: dict[str, str] | None = None):
        assert self.process is None or self.process.poll() is not None
        command = [program(), "serve", "--dir", str(self.folder), "--port", str(self.port)]
        command += ["--peer-port", str(self.peer_port), "--admin-port", str(self.admin_port)]
        if self.cluster_port:
            command += ["--cluster-port", str(self.cluster_port)]
        # If this process dies, standard input closes and the node stops by itself.
        command += ["--stop-with-stdin", *self.flags, *flags]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERSTORE_")}
        with open(self.log, "ab") as log:
            self.process = self.spawn(command, log, clean | self.env | (env or {}))

    def spawn(self, command: list[str], log, env: dict[str, str]) -> subprocess.Popen:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env)

    @property
    def pid(self) -> int:
        return self.process.pid

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int):
        self.process.send_signal(number)

    def kill(self):
        """The process is gone when this returns; nothing was flushed or handed over."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def stop(self) -> int:
        """A clean stop; returns the exit code."""
        if self.runs():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def end(self) -> int:
        """Waits for a node that is expected to end by itself; returns the exit code."""
        return self.process.wait(PATIENCE)

    def client(self, **options) -> redis.Redis:
        return connect(self.port, **options)

    def connection(self) -> Connection:
        """A bare connection, not yet connected, for a client that looks after everything itself."""
        return Connection(host="127.0.0.1", port=self.port, **BARE)

    def status(self) -> dict:
        with self.client(socket_timeout=5) as client:
            return json.loads(client.execute_command("EVERSTORE", "STATUS"))

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Cluster:
    def __init__(
        self, folder: Path, count: int = 3, shards: int = 8, flags: tuple[str, ...] = (), make_node=Node
    ):
        self.nodes = [make_node(i + 1, folder / f"node-{i + 1}") for i in range(count)]
        self.shards = shards
        self.flags = flags
        self.folder = folder

    def start(self) -> "Cluster":
        """A new cluster: the first node creates it, the others join one after another, so that node N
        has id N."""
        first, *others = self.nodes
        replicas = len(self.nodes) if len(self.nodes) % 2 else len(self.nodes) - 1
        first.start("--bootstrap", "--replicas", str(replicas), "--shards", str(self.shards), *self.flags)
        wait_for(lambda: self.secret_file.exists() or self.ended(), "the first node makes its secret")
        assert not self.ended(), self.logs()
        for node in others:
            self.join(node)
            wait_for(lambda n=node: self.has_joined(n) or self.ended(), f"node {node.number} joins")
        return self.wait_healthy()

    def has_joined(self, node: Node) -> bool:
        """Whether the first node has given an id to this one, which joins next."""
        forming = self.nodes[0].status().get("forming")
        return not forming or forming["joined"] >= node.number

    def ended(self) -> list[int]:
        """Nodes that were started and have ended by themselves or by a fault."""
        return [n.number for n in self.nodes if n.process is not None and not n.runs()]

    @property
    def secret_file(self) -> Path:
        return self.nodes[0].folder / "secret"

    def seeds(self, node: Node) -> str:
        return ",".join(n.peer_address for n in self.nodes if n is not node)

    def join(self, node: Node):
        node.start("--join", self.seeds(node), "--secret-file", str(self.secret_file), *self.flags)

    def restart(self, node: Node):
        """Starts a node that has data already."""
        seeds = self.seeds(node)
        node.start(*(("--join", seeds) if seeds else ()), *self.flags)

    def restart_all(self):
        for node in self.nodes:
            self.restart(node)

    def wait_healthy(self, up: int | None = None) -> "Cluster":
        """Until every running node sees `up` nodes and a living leader of every shard, all with their rows."""
        wanted = len(self.nodes) if up is None else up

        def healthy():
            for node in self.nodes:
                if node.runs() and not self._healthy(node.status(), wanted):
                    return False
            # A node that has ended will not become healthy: say so now, with its reason.
            return len(self.running()) >= wanted or self.ended()

        wait_for(healthy, f"{wanted} nodes are healthy")
        assert len(self.running()) >= wanted, f"ended: {self.ended()}\n{self.logs()}"
        return self

    @staticmethod
    def _healthy(status: dict, wanted: int) -> bool:
        if status.get("forming"):
            return False
        up = {n["id"] for n in status["nodes"] if n["state"]["state"] == "up"}
        groups = status["shards"] + ([status["meta"]] if status.get("meta") else [])
        if any(replica["state"] == "rebuilding" for group in groups for replica in group["replicas"]):
            return False  # It votes and counts for commits, but the next fault may leave nobody who can serve.
        return len(up) >= wanted and bool(status["shards"]) and all(g["leader"] in up for g in groups)

    def running(self) -> list[Node]:
        return [node for node in self.nodes if node.runs()]

    def by_id(self, status: dict, node_id: int) -> Node:
        """The process of a node id; ids are given in the order of joining, so the address decides."""
        address = next(n["redis_address"] for n in status["nodes"] if n["id"] == node_id)
        return next(n for n in self.nodes if n.port == int(address.rsplit(":", 1)[1]))

    def busiest(self) -> Node:
        """The node that leads most shards."""
        status = self.running()[0].status()
        leaders = [shard["leader"] for shard in status["shards"]]
        return self.by_id(status, max(sorted(set(leaders)), key=leaders.count))

    def leads_nothing(self, node: Node) -> bool:
        """Whether, as the others see it, no shard is led by `node` and every shard is led."""
        other = next(n for n in self.running() if n is not node)
        status = other.status()
        return all(s["leader"] and self.by_id(status, s["leader"]) is not node for s in status["shards"])

    def stop(self):
        for node in self.running():
            node.signal(signal.SIGCONT)
            node.signal(signal.SIGTERM)
        for node in self.nodes:
            if node.process is not None:
                node.process.wait(PATIENCE)

    def destroy(self):
        for node in self.nodes:
            if node.process is not None and node.runs():
                node.signal(signal.SIGCONT)
                node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self) -> str:
        return "\n".join(f"--- node {n.number}\n{n.log_text()[-4000:]}" for n in self.nodes)
