"""Partitions between network namespaces: full, partial, one-way, flapping; each with a checked history."""

import random
import time

import pytest
import redis

from harness import chaos, netns
from harness.cluster import Cluster, wait_for
from harness.history import History
from harness.netns import Net
from harness.verdict import check

REASON = netns.why_not()
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")


@pytest.fixture
def net():
    net = Net(3)
    try:
        yield net.create()
    finally:
        net.destroy()


@pytest.fixture
def cluster(net, new_cluster) -> Cluster:
    return new_cluster(make_node=net.node, flags=("--quorum-timeout", "1s")).start()


def pairs(net: Net) -> list[tuple[int, int]]:
    return [(a, b) for a in net.numbers() for b in net.numbers() if a != b]


def full(net, rng):
    net.cut_off(rng.choice(net.numbers()))


def partial(net, rng):
    net.cut_between(*rng.sample(net.numbers(), 2))


def one_way(net, rng):
    rng.choice((net.deafen, net.silence))(rng.choice(net.numbers()))


def one_link_one_way(net, rng):
    net.lose(rng.choice(pairs(net)))


def everything(net, rng):
    net.lose(*pairs(net))


def any_links(net, rng):
    net.lose(*(pair for pair in pairs(net) if rng.random() < 0.4))


def flapping(net, rng):
    for _ in range(rng.randrange(3, 10)):
        rng.choice((full, partial, one_way))(net, rng)
        time.sleep(rng.uniform(0.02, 0.3))
        net.heal()
        time.sleep(rng.uniform(0.02, 0.2))


def unplugged(net, rng):
    n = rng.choice(net.numbers())
    net.unplug(n)
    time.sleep(rng.uniform(0.1, 1.5))
    net.plug(n)


KINDS = (full, partial, one_way, one_link_one_way, everything, any_links, flapping, unplugged)


@pytest.mark.timeout(chaos.seconds(0) + 240)
def test_every_kind_of_partition(net, cluster, tmp_path):
    """Each kind at least once, in a random order; the shortest run is one round of all."""
    seed = chaos.seed("partitions")
    rng = random.Random(f"partitions:{seed}")
    injected = {}
    end = time.monotonic() + chaos.seconds(0)
    with History(tmp_path / "history.jsonl", cluster.nodes, seed) as history:
        history.wait_for_more()
        while not injected or time.monotonic() < end:
            for kind in rng.sample(KINDS, len(KINDS)):
                kind(net, rng)
                time.sleep(rng.uniform(0.2, 1.4))
                net.heal()
                injected[kind.__name__] = injected.get(kind.__name__, 0) + 1
                time.sleep(rng.uniform(0.0, 0.8))
        cluster.wait_healthy()
        history.wait_for_more()
    history.finish()
    check(history, injected)


def test_a_node_that_is_cut_off_serves_nothing_and_the_others_go_on(net, cluster):
    victim = cluster.busiest()
    rest = [n for n in cluster.nodes if n is not victim]
    old = victim.client()
    old.mset({f"k{i}": "old" for i in range(50)})
    net.cut_off(victim.number)
    wait_for(lambda: cluster_leads_without(cluster, rest, victim), "the others lead everything")
    with rest[0].client() as client:
        client.mset({f"k{i}": "new" for i in range(50)})
    for i in (0, 25):
        with pytest.raises(redis.exceptions.ClusterDownError):
            old.get(f"k{i}")
    net.heal()
    wait_for(lambda: old.mget([f"k{i}" for i in range(50)]) == ["new"] * 50, "it sees what it missed")
    old.close()


def cluster_leads_without(cluster: Cluster, rest, victim) -> bool:
    status = rest[0].status()
    return all(s["leader"] and cluster.by_id(status, s["leader"]) is not victim for s in status["shards"])
