"""All shards are split in two under load: nothing is lost, nothing is wrong, and no client sees an error."""

import subprocess
import threading
import time

import pytest
import redis

from harness.cluster import Node, program, wait_for
from harness.ledger import Ledger

KEYS = [f"steady:{i}" for i in range(300)]


def shards_command(node: Node, *words: str, patience: float = 120) -> subprocess.CompletedProcess:
    command = [program(), "shards", *words, "--node", f"127.0.0.1:{node.port}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=patience)


def split(node: Node, *words: str):
    """Splits all shards; a cluster that has just been formed does not know yet that all members can."""
    def accepted():
        done = shards_command(node, "split", *words)
        return done if done.returncode == 0 else None
    return wait_for(accepted, "the split is accepted")


def shards(node: Node) -> int:
    return len(node.status()["shards"])


def is_split(node: Node, count: int) -> bool:
    status = node.status()
    return len(status["shards"]) == count and status["shards_to_come"] == 0


class Readers:
    """Reads of all kinds while shards are split: what was there at the beginning is always found."""

    def __init__(self, through: list[Node]):
        self.through, self.stop, self.rounds, self.wrong = through, threading.Event(), 0, []
        self.threads = [threading.Thread(target=self._read, args=(node,)) for node in through]

    def __enter__(self):
        with self.through[0].client() as client:
            client.mset({key: key for key in KEYS})
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def _read(self, node: Node):
        with node.client() as client:
            while not self.stop.is_set():
                try:
                    if client.mget(KEYS) != KEYS:
                        self.wrong.append("MGET")
                    missed = set(KEYS) - set(client.scan_iter(match="steady:*", count=50))
                    if missed:
                        self.wrong.append(f"SCAN missed {missed}")
                    if client.exists(*KEYS) != len(KEYS):
                        self.wrong.append("EXISTS")
                    self.rounds += 1
                except redis.RedisError as error:
                    self.wrong.append(repr(error))
                    return


def consistent(cluster):
    """Each key is in one shard, whichever node is asked."""
    for node in cluster.running():
        with node.client() as client:
            found = list(client.scan_iter(count=500))
            assert len(found) == len(set(found)) == client.dbsize()


def test_a_cluster_is_split_twice_under_load(new_cluster):
    cluster = new_cluster().start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])
    with Ledger(cluster.nodes, threads=6) as ledger, Readers(cluster.nodes) as readers:
        ledger.wait_for_more()
        for more in (2, 4):
            split(first)
            for node in cluster.nodes:
                wait_for(lambda node=node: is_split(node, more * count), "every node knows")
            ledger.wait_for_more()
    assert ledger.errors == [] and readers.wrong == [] and readers.rounds > 0
    assert shards_command(first, "split", "--no-wait").returncode == 0
    wait_for(lambda: is_split(first, 8 * count), "a third split with nobody there")
    for node in cluster.nodes:
        ledger.check(node)
    consistent(cluster)
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        cluster.restart(node)
    cluster.wait_healthy()
    assert shards(first) == 8 * count
    for node in cluster.nodes:
        ledger.check(node)
    consistent(cluster)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15, 0.4])
def test_a_split_survives_a_kill_in_its_middle(new_cluster, after):
    cluster = new_cluster().start()
    asked, victim = cluster.nodes[0], cluster.nodes[2]
    count = shards(asked)
    with Ledger(cluster.nodes[:2], threads=4, value_size=2000) as ledger:
        ledger.wait_for_more(500)
        for more in (2, 4):
            split(asked, "--no-wait")
            time.sleep(after)
            victim.kill()
            ledger.wait_for_more(50)
            wait_for(lambda: is_split(asked, more * count), "it goes on without one node")
            cluster.restart(victim)
            cluster.wait_healthy()
            # Another one the next time, which may lead what is to be divided.
            victim = cluster.nodes[1]
        ledger.wait_for_more(200)
    assert not [error for error in ledger.errors if "MOVED" in error or "WRONG" in error]
    for node in cluster.nodes:
        wait_for(lambda node=node: is_split(node, 4 * count), "every node knows")
        ledger.check(node)
    consistent(cluster)


def test_a_split_survives_the_kill_of_all(new_cluster):
    cluster = new_cluster().start()
    asked, count = cluster.nodes[0], shards(cluster.nodes[0])
    with Ledger(cluster.nodes, threads=4) as ledger:
        ledger.wait_for_more(500)
        split(asked, "--no-wait")
        time.sleep(0.05)
        for node in cluster.nodes:
            node.kill()
    for node in cluster.nodes:
        cluster.restart(node)
    cluster.wait_healthy()
    wait_for(lambda: is_split(asked, count) or is_split(asked, 2 * count), "all of it or nothing")
    for node in cluster.nodes:
        ledger.check(node)
    consistent(cluster)
