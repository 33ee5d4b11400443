"""The stores that each application runs on: a real Redis, and a cluster that keeps losing its leaders."""

import time

import pytest

from harness.cluster import Cluster, connect
from harness.leaders import Losses
from harness.original import Original
from harness.programs import Programs

from .program import DB


class OnRedis:
    """The original, on which nothing is lost: what a program does here, it has to do everywhere."""

    # Whether a client's own node is killed, so that it sees connections break.
    breaks = False
    lost_at: list[float] = []

    def __init__(self, original: Original):
        self.ports = str(original.port)

    def trouble(self, rounds: int):
        time.sleep(rounds * 0.5)


class OnCluster:
    """Three nodes. Clients go through one that stays alive, or through all of them, one after another."""

    def __init__(self, cluster: Cluster, breaks: bool):
        self.breaks = breaks
        gateway = cluster.nodes[0]
        self.ports = ",".join(str(node.port) for node in (cluster.nodes if breaks else [gateway]))
        self.kills = Losses(cluster, spared=() if breaks else (gateway,))

    @property
    def lost_at(self) -> list[float]:
        return self.kills.at

    def trouble(self, rounds: int):
        for _ in range(rounds):
            self.kills.lose_one()


def admin(store):
    """A client to look at the results with, when the trouble is over."""
    return connect(int(store.ports.split(",")[0]), db=DB)


def needs(store, *commands: str):
    """Skips a test until the store has all of these commands; the others show what works without."""
    with admin(store) as client:
        known = client.command_list()
        missing = [command for command in commands if command.lower() not in known]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}, which the store does not have yet")


@pytest.fixture
def on_redis(tmp_path):
    original = Original(tmp_path / "redis")
    try:
        yield OnRedis(original.start())
    finally:
        original.stop()


@pytest.fixture
def on_cluster(new_cluster):
    """One of which the clients' own node stays alive."""
    return OnCluster(new_cluster(shards=2).start(), breaks=False)


@pytest.fixture(params=["redis", "gateway lives", "any node dies"])
def store(request):
    if request.param == "redis":
        return request.getfixturevalue("on_redis")
    if request.param == "gateway lives":
        return request.getfixturevalue("on_cluster")
    return OnCluster(request.getfixturevalue("new_cluster")(shards=2).start(), breaks=True)


@pytest.fixture
def programs(tmp_path):
    made = Programs(tmp_path)
    yield made
    made.destroy()
