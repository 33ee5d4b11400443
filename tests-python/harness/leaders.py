"""Leaders that are lost one after another, each at a moment when it leads everything."""

import itertools
import time

from .cluster import Cluster, Node, wait_for


def lead(cluster: Cluster, node: Node):
    """All shards are led by `node` when this returns; planned changes, no client sees an error."""
    other = next(n for n in cluster.running() if n is not node)

    def led():
        elsewhere = [s["id"] for s in other.status()["shards"] if s["leader"] != node.number]
        with other.client() as client:
            for shard in elsewhere:
                client.execute_command("EVERSTORE", "SWITCHOVER", "SHARD", shard, "TO", node.number)
        return not elsewhere

    wait_for(led, f"node {node.number} leads everything")


class Losses:
    """Kills with SIGKILL, and brings each back before the next."""

    def __init__(self, cluster: Cluster, spared: tuple[Node, ...] = ()):
        self.cluster = cluster
        self.victims = itertools.cycle(node for node in cluster.nodes if node not in spared)
        # When each was killed, by the monotonic clock, which is one for all processes.
        self.at: list[float] = []

    def lose_one(self, under_load: float = 0.4, away: float = 0.6):
        victim = next(self.victims)
        lead(self.cluster, victim)
        time.sleep(under_load)
        victim.kill()
        self.at.append(time.monotonic())
        time.sleep(away)
        self.cluster.restart(victim)
        self.cluster.wait_healthy()
