"""All shards are split in two under load: nothing is lost, nothing is wrong, and no client sees an error."""

import os
import subprocess
import threading
import time

import pytest
import redis
from redis.cluster import ClusterNode, RedisCluster

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


class Together:
    """Functions that run again and again, each in a thread of its own, until the end or an error."""

    def __init__(self, *work):
        self.stop, self.wrong, self.rounds = threading.Event(), [], {}
        self.threads = [threading.Thread(target=self._run, args=(one,)) for one in work]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive(), "somebody hangs"

    def _run(self, work):
        while not self.stop.is_set():
            try:
                work()
                self.rounds[work.__name__] = self.rounds.get(work.__name__, 0) + 1
            except Exception as error:  # noqa: BLE001 - the test shows all of them
                self.wrong.append(f"{work.__name__}: {error!r}")
                return


def test_all_kinds_of_commands_go_on(new_cluster):
    cluster = new_cluster(make_node=lambda number, folder: Node(number, folder).with_cluster_port()).start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])
    tags = [f"{{{i}}}" for i in range(40)]
    # A connection of its own for each, through another node each.
    clients = [cluster.nodes[i % 3].client() for i in range(7)]
    known = [ClusterNode("127.0.0.1", node.cluster_port) for node in cluster.nodes]
    direct = RedisCluster(startup_nodes=known, socket_timeout=15, decode_responses=True)
    turn = {"transactions": 0, "pipelines": 0, "pushed": 0, "popped": 0, "direct": 0}

    def transactions():
        turn["transactions"] += 1
        for tag in tags:
            with clients[0].pipeline(transaction=True) as pipeline:
                pipeline.incr(f"a:{tag}").incr(f"b:{tag}")
                assert pipeline.execute() == [turn["transactions"]] * 2

    def pipelines():
        """Commands of one connection keep their order, whichever shard has their key by then."""
        turn["pipelines"] += 1
        with clients[1].pipeline(transaction=False) as pipeline:
            for tag in tags:
                pipeline.set(f"p:{tag}", turn["pipelines"]).incr(f"p:{tag}").get(f"p:{tag}")
            pipeline.mget([f"p:{tag}" for tag in tags])
            *single, many = pipeline.execute()
        expected = [True, turn["pipelines"] + 1, str(turn["pipelines"] + 1)]
        assert single == expected * len(tags) and many == expected[2:] * len(tags)

    def pushes():
        for tag in tags:
            clients[2].rpush(f"l:{tag}", turn["pushed"])
        turn["pushed"] += 1
        time.sleep(0.02)

    def pops():
        for tag in tags:
            _, value = clients[3].blpop(f"l:{tag}", 20)
            assert int(value) == turn["popped"]
        turn["popped"] += 1

    def several():
        keys = {f"m:{tag}": os.urandom(4).hex() for tag in tags}
        clients[4].mset(keys)
        assert clients[4].mget(list(keys)) == list(keys.values())
        assert clients[4].delete(*keys) == len(keys)

    def waits():
        for tag in tags:
            clients[5].set(f"w:{tag}", "x")
            assert clients[5].wait(1, 15_000) >= 1

    def single():
        """A keyspace in one shard stays in it: commands on any keys of it go on."""
        clients[6].execute_command("SELECT", 3)
        clients[6].mset({f"s:{tag}": "x" for tag in tags})
        assert clients[6].sinterstore("s:none", "s:x", "s:y") == 0 and clients[6].dbsize() == len(tags)

    def cluster_client():
        turn["direct"] += 1
        for tag in tags:
            assert direct.incr(f"c:{tag}") == turn["direct"]

    work = (transactions, pipelines, pushes, pops, several, waits, single, cluster_client)
    with Together(*work) as together:
        for more in (2, 4):
            before = dict(together.rounds)
            split(first)
            for node in cluster.nodes:
                wait_for(lambda node=node: is_split(node, more * count), "every node knows")
            wait_for(
                lambda before=before: together.wrong
                or all(together.rounds.get(one.__name__, 0) > before.get(one.__name__, 0) for one in work),
                "everybody goes on",
            )
    assert together.wrong == []
    slots = cluster.nodes[1].client().execute_command("EVERSTORE", "STATUS", "JSON")
    assert slots and direct.cluster_info()["cluster_slots_ok"] in (16384, "16384")


def test_large_values_go_with_their_keys_and_lose_no_chunk(new_cluster):
    cluster = new_cluster().start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])
    # Above 'max-value', so they are kept in chunks.
    values = {f"large:{i}": os.urandom(9 << 20) for i in range(6)}
    with first.client(decode_responses=False) as client:
        for key, value in values.items():
            wait_for(lambda key=key, value=value: client.set(key, value), "large values can be made")
        for more in (2, 4):
            split(first)
            wait_for(lambda more=more: is_split(first, more * count), "it is split")
            for key, value in values.items():
                assert client.get(key) == value
        gone = list(values)[:3]
        assert client.delete(*gone) == len(gone)
        chunks = lambda: first.client().info("everstore")["large_chunks"]  # noqa: E731
        wait_for(lambda: 0 < chunks() <= 9 * (len(values) - len(gone)), "the chunks of those are collected", 90)
        for key in list(values)[3:]:
            assert client.get(key) == values[key], "those of the others are not"
