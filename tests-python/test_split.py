"""All shards are split in two under load: nothing is lost, nothing is wrong, and no client sees an error."""

import os
import subprocess
import time

import pytest
from redis.cluster import ClusterNode, RedisCluster

from harness.cluster import Node, program, wait_for
from harness.ledger import Ledger
from harness.load import Load, seconds, writers
from harness.together import Together

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


def reader(node: Node):
    """Reads of all kinds while shards are split: what was there at the beginning is always found."""
    client = node.client()

    def read():
        assert client.mget(KEYS) == KEYS
        missed = set(KEYS) - set(client.scan_iter(match="steady:*", count=50))
        assert not missed, f"SCAN missed {missed}"
        assert client.exists(*KEYS) == len(KEYS)

    read.__name__ = f"read through node {node.number}"
    return read


def readers(through: list[Node]) -> Together:
    with through[0].client() as client:
        client.mset({key: key for key in KEYS})
    return Together(*(reader(node) for node in through))


def consistent(cluster):
    """Each key is in one shard, whichever node is asked."""
    for node in cluster.running():
        with node.client() as client:
            found = list(client.scan_iter(count=500))
            assert len(found) == len(set(found)) == client.dbsize()


def test_a_cluster_is_split_twice_under_load(new_cluster):
    cluster = new_cluster().start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])
    with Ledger(cluster.nodes, threads=6) as ledger, readers(cluster.nodes) as reading:
        ledger.wait_for_more()
        for more in (2, 4):
            split(first)
            for node in cluster.nodes:
                wait_for(lambda node=node: is_split(node, more * count), "every node knows")
            ledger.wait_for_more()
    assert ledger.errors == [] and reading.wrong == [] and all(reading.rounds.values())
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


def test_a_split_under_full_load_has_an_exact_account(new_cluster):
    """Prints the rates: with an optimized build it is a measurement as well, see harness/load.py."""
    cluster = new_cluster().start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])

    def split_all(more: int):
        split(first)
        for node in cluster.nodes:
            wait_for(lambda node=node: is_split(node, more * count), "every node knows")

    with Load(cluster.nodes) as load:
        wait_for(lambda: load.written() > 0, "writes flow")
        rates = [("before", load.rate(lambda: time.sleep(seconds())))]
        for more in (2, 4):
            rates.append((f"during the split to {more * count}", load.rate(lambda more=more: split_all(more))))
            rates.append(("afterwards", load.rate(lambda: time.sleep(seconds()))))
    shown = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates)
    print(f"{writers()} writers, {load.written():,} writes; per second {shown}; longest batch {load.longest:.2f} s")
    assert load.errors == []
    for node in cluster.nodes:
        load.check(node)
    consistent(cluster)
    for node in cluster.nodes:
        node.kill()
    cluster.restart_all()
    cluster.wait_healthy()
    for node in cluster.nodes:
        load.check(node)


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
            wait_for(lambda before=before: together.went_on_since(before), "everybody goes on")
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


def test_uploads_that_are_under_way_go_on(new_cluster, tmp_path):
    cluster = new_cluster().start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])
    value, file = os.urandom(9 << 20), tmp_path / "in"
    file.write_bytes(os.urandom((20 << 20) + 12345))
    tags, turn = [f"{{{i}}}" for i in range(12)], {"set": 0, "put": 0}
    client = cluster.nodes[1].client(decode_responses=False)
    for tag in tags:
        # Each shard learns by itself that all members understand them.
        begin = ("LARGE", "BEGIN", f"set:{tag}", 1, "LEASE", 1000)
        wait_for(lambda begin=begin: client.execute_command(*begin), "large values can be made")

    def sets():
        key = f"set:{tags[turn['set'] % len(tags)]}"
        assert client.set(key, value) and client.strlen(key) == len(value)
        turn["set"] += 1

    def puts():
        key = f"put:{tags[turn['put'] % len(tags)]}"
        done = subprocess.run(
            [program(), "put", str(file), key, "--node", f"127.0.0.1:{cluster.nodes[2].port}"],
            capture_output=True, text=True, timeout=120,
        )
        assert done.returncode == 0, done.stderr
        turn["put"] += 1

    with Together(sets, puts) as together:
        for more in (2, 4):
            before = dict(together.rounds)
            split(first)
            wait_for(lambda more=more: is_split(first, more * count), "it is split")
            wait_for(lambda before=before: together.went_on_since(before), "everybody goes on", 120)
    assert together.wrong == []
    for number in range(len(tags)):
        for kind, whole in (("set", value), ("put", file.read_bytes())):
            if number < turn[kind]:
                assert client.get(f"{kind}:{tags[number]}") == whole


def test_what_was_begun_before_a_split_is_committed_after_it(new_cluster):
    cluster = new_cluster().start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])
    client = first.client(decode_responses=False)
    keys = [f"key:{i}" for i in range(60)]
    begin = lambda key: client.execute_command("LARGE", "BEGIN", key, 11, "LEASE", 45_000)  # noqa: E731
    begun = {key: wait_for(lambda key=key: begin(key), "large values can be made") for key in keys}
    for upload, until, _ in begun.values():
        client.execute_command("LARGE", "WRITE", upload, 0, until, "c99465aa", "hello world")
    for more in (2, 4):
        split(first)
        wait_for(lambda more=more: is_split(first, more * count), "it is split")
        for key, (upload, _, _) in begun.items():
            assert client.execute_command("LARGE", "RENEW", key, upload, 11, "LEASE", 45_000)
    for key, (upload, _, _) in begun.items():
        assert client.execute_command("LARGE", "COMMIT", key, upload, 11, "c99465aa") == b"OK"
    for node in cluster.nodes:
        node.kill()
    cluster.restart_all()
    cluster.wait_healthy()
    client = first.client(decode_responses=False)
    assert all(client.get(key) == b"hello world" for key in keys)
    assert client.delete(*keys) == len(keys)
    chunks = lambda: client.info("everstore")["large_chunks"]  # noqa: E731
    wait_for(lambda: chunks() == 0, "nothing is left of them", 150)


def test_a_split_is_offered_where_a_shard_is_too_large_and_not_done(new_cluster):
    cluster = new_cluster(shards=2).start()
    first, count = cluster.nodes[0], shards(cluster.nodes[0])
    offer = "'shard-target-size'"

    def says() -> tuple[bool, bool]:
        plan = subprocess.run(
            [program(), "plan", "--node", f"127.0.0.1:{first.port}"], capture_output=True, text=True, timeout=60
        )
        assert plan.returncode == 0, plan.stderr
        return any(offer in problem["text"] for problem in first.status()["problems"]), offer in plan.stdout

    with first.client() as client:
        client.mset({f"key:{i}": "x" * 1000 for i in range(2000)})
        assert client.config_get("shard-target-size") == {"shard-target-size": str(8 << 30)}
        wait_for(lambda: all(shard["bytes"] > 500_000 for shard in first.status()["shards"]), "their size is told")
        assert says() == (False, False)
        client.config_set("shard-target-size", "700kb")
        assert says() == (True, True)
        text = next(p["text"] for p in first.status()["problems"] if offer in p["text"])
        assert text.startswith("shards 0 and 1 are larger than") and "everstore shards split" in text
        client.config_set("shard-target-size", "0")
        assert says() == (False, False)
        client.config_set("shard-target-size", "700kb")
        assert shards(first) == count, "nothing is split by itself"
        split(first)
        wait_for(lambda: is_split(first, 2 * count) and says() == (False, False), "they are small now")
