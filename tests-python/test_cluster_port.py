"""The second client port: redis-py as a cluster client goes straight to leaders, and any node helps out."""

import threading
import time

import pytest
import redis
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster
from redis.crc import key_slot

from harness.cluster import Node, connect, wait_for

KEYS = 300
# "foo" is in this slot.
FOO = 12182


@pytest.fixture
def cluster(new_cluster):
    make_node = lambda number, folder: Node(number, folder).with_cluster_port()  # noqa: E731
    cluster = new_cluster(make_node=make_node).start()
    wait_for(lambda: balanced(cluster), "every node leads its part")
    return cluster


def balanced(cluster) -> bool:
    """Leadership is as even as it gets, so that it stays where it is."""
    served = list(owners(bare(cluster.nodes[0])).values())
    shares = sorted(served.count(node.cluster_port) for node in cluster.nodes)
    return shares == [2 * 2048, 3 * 2048, 3 * 2048]


def cluster_client(nodes: list[Node], **options) -> RedisCluster:
    known = [ClusterNode("127.0.0.1", node.cluster_port) for node in nodes]
    return RedisCluster(startup_nodes=known, socket_timeout=15, decode_responses=True, **options)


def errors(cluster) -> int:
    return sum(node.client().info("stats")["total_error_replies"] for node in cluster.running())


def owners(client: redis.Redis) -> dict[int, int]:
    """The cluster port that serves each slot, as the node of this client says."""
    served = client.execute_command("CLUSTER", "SLOTS")
    return {slot: leader[1] for first, last, leader, *_ in served for slot in range(first, last + 1)}


def lines(client: redis.Redis) -> list[list[str]]:
    return [line.split() for line in client.execute_command("CLUSTER", "NODES").splitlines()]


def bare(node: Node, **options) -> redis.Redis:
    """A client of the cluster port that follows nothing and parses nothing."""
    client = connect(node.cluster_port, **options)
    client.response_callbacks.clear()
    return client


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
def test_keys_go_straight_to_their_leaders(cluster, protocol):
    client = cluster_client(cluster.nodes, protocol=protocol)
    assert {n.port for n in client.get_primaries()} == {n.cluster_port for n in cluster.nodes}
    names = [f"key:{i}" for i in range(KEYS)]
    for name in names:
        assert client.set(name, f"value of {name}")
    # Fresh connections try commands that do not exist here; now all are open.
    before = errors(cluster)
    assert [client.get(name) for name in names] == [f"value of {name}" for name in names]
    assert errors(cluster) == before, "no command was sent to the wrong node"
    with client.pipeline() as pipe:
        for name in names:
            pipe.strlen(name)
        assert pipe.execute() == [len(f"value of {name}") for name in names]
    assert client.mset_nonatomic({f"more:{i}": i for i in range(50)})
    assert client.mget_nonatomic([f"more:{i}" for i in range(50)]) == [str(i) for i in range(50)]
    assert client.delete(*(f"more:{i}" for i in range(50))) == 50
    # What a client puts together from the answers of all nodes contains every key once.
    everywhere = {"target_nodes": RedisCluster.PRIMARIES}
    assert client.dbsize(**everywhere) == KEYS
    assert sorted(client.keys(**everywhere)) == sorted(names)
    assert sorted(client.scan_iter(count=20)) == sorted(names)
    assert client.randomkey() in names
    # The same data as on the plain port, where any node takes any key.
    with cluster.nodes[0].client() as plain:
        assert plain.get("key:7") == "value of key:7" and plain.dbsize() == KEYS
    assert client.flushdb(**everywhere)
    assert client.dbsize(**everywhere) == 0


def test_who_is_asked_for_the_wrong_slot_says_where_to_go(cluster):
    clients = [bare(node) for node in cluster.nodes]
    served = owners(clients[0])
    assert len(served) == 16384 and all(owners(client) == served for client in clients)
    leader = next(n for n in cluster.nodes if n.cluster_port == served[FOO])
    assert bare(leader).set("foo", "v") == "OK"
    for node, client in zip(cluster.nodes, clients, strict=True):
        if node is not leader:
            for command in (["SET", "foo", "x"], ["GET", "foo"], ["MSET", "{foo}", 1, "foo", 2]):
                with pytest.raises(redis.ResponseError) as moved:
                    client.execute_command(*command)
                assert str(moved.value).endswith(f"{FOO} 127.0.0.1:{leader.cluster_port}"), moved.value
        else:
            assert client.get("foo") == "v"
        for command, text in [
            (["MGET", "a", "b"], "Keys in request don't hash to the same slot"),
            (["SELECT", "1"], "SELECT is not allowed in cluster mode"),
        ]:
            with pytest.raises(redis.ResponseError, match=text):
                client.execute_command(*command)
        # A reader of replicas is helped by every node.
        assert client.execute_command("READONLY") == "OK" and client.get("foo") == "v"
        assert client.execute_command("READWRITE") == "OK" and client.execute_command("ASKING") == "OK"
        assert "cluster_enabled:1" in client.execute_command("INFO", "cluster")
        assert "redis_mode:cluster" in client.execute_command("INFO", "server")
        assert "cluster" in client.execute_command("HELLO")
    with pytest.raises(redis.ResponseError, match="another database is not allowed in cluster mode"):
        bare(leader).execute_command("COPY", "foo", "{foo}2", "DB", 1)
    with cluster.nodes[0].client() as plain:
        assert plain.info("cluster")["cluster_enabled"] == 0
        with pytest.raises(redis.ResponseError, match="cluster support disabled"):
            plain.execute_command("CLUSTER SLOTS")


def test_what_the_cluster_tells_of_itself(cluster):
    client = cluster_client(cluster.nodes)
    with cluster.nodes[1].client() as plain:
        assert plain.config_get("cluster-port") == {"cluster-port": str(cluster.nodes[1].cluster_port)}
    for i in range(5):
        client.set(f"{{foo}}{i}", i)
    assert client.cluster_keyslot("foo") == FOO == key_slot(b"foo")
    for node in cluster.nodes:
        asked = bare(node)
        assert asked.execute_command("CLUSTER", "COUNTKEYSINSLOT", FOO) == 5
        found = asked.execute_command("CLUSTER", "GETKEYSINSLOT", FOO, 3)
        assert len(found) == 3 and set(found) < {f"{{foo}}{i}" for i in range(5)}
        own = asked.execute_command("CLUSTER", "MYID")
        told = lines(asked)
        assert [line[0] for line in told if "myself" in line[2]] == [own]
        assert {line[1].split("@")[0] for line in told} == {f"127.0.0.1:{n.cluster_port}" for n in cluster.nodes}
        assert all(line[7] == "connected" and "fail" not in line[2] for line in told)
        state = asked.execute_command("CLUSTER", "INFO").splitlines()
        assert {"cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3", "cluster_size:3"} <= set(state)
        assert len(asked.execute_command("CLUSTER", "REPLICAS", own)) == 2
        assert len(asked.execute_command("CLUSTER", "LINKS")) == 4
        assert len(asked.execute_command("CLUSTER", "MYSHARDID")) == 40
        shards = bare(node, protocol=3).execute_command("CLUSTER", "SHARDS")
        assert [sorted(n["role"] for n in shard["nodes"]) for shard in shards] == 3 * [["master", "replica", "replica"]]
        assert sum(b - a + 1 for s in shards for a, b in zip(s["slots"][::2], s["slots"][1::2])) == 16384


class Writer(threading.Thread):
    """Sets keys one after the other through a cluster client and remembers what was acknowledged."""

    def __init__(self, client: RedisCluster):
        super().__init__(daemon=True)
        self.client = client
        self.written: dict[str, str] = {}
        self.failed: list[str] = []
        self.longest = 0.0
        self.ends = threading.Event()

    def run(self):
        number = 0
        while not self.ends.is_set():
            name = f"key:{number % KEYS}"
            started = time.monotonic()
            try:
                self.client.set(name, str(number))
                self.written[name] = str(number)
            except redis.RedisError as error:
                # It may have been done all the same.
                self.written.pop(name, None)
                self.failed.append(repr(error))
            self.longest = max(self.longest, time.monotonic() - started)
            number += 1

    def wait_for_more(self, count: int):
        goal = len(self.written) and self.last() + count
        wait_for(lambda: self.last() >= goal, f"{count} more keys are written; errors: {self.failed[-3:]}", 30)

    def last(self) -> int:
        return max(map(int, list(self.written.values())), default=0)


def test_a_cluster_client_survives_the_death_of_a_node(cluster):
    client = cluster_client(cluster.nodes)
    client.set("warm", "up")
    writer = Writer(client)
    writer.start()
    try:
        wait_for(lambda: len(writer.written) > 100, "the writer writes", 30)
        victim = cluster.busiest()
        victim.kill()
        killed = time.monotonic()
        writer.wait_for_more(2 * KEYS)
        assert time.monotonic() - killed < 30
        survivor = bare(cluster.running()[0])
        down = [line for line in lines(survivor) if f":{victim.cluster_port}@" in line[1]]
        assert "fail" in down[0][2] and down[0][7] == "disconnected" and len(down[0]) == 8, down
        assert victim.cluster_port not in owners(survivor).values()
        assert len(owners(survivor)) == 16384
        cluster.restart(victim)
        cluster.wait_healthy()
        writer.wait_for_more(KEYS)
    finally:
        writer.ends.set()
        writer.join(30)
    assert len(writer.failed) < 20, writer.failed
    assert writer.longest < 15
    kept = dict(writer.written)
    assert {name: client.get(name) for name in kept} == kept, "nothing acknowledged is lost"
    # The node that came back serves cluster clients again.
    wait_for(lambda: victim.cluster_port in owners(bare(cluster.running()[0])).values(), "it leads again")


def test_all_cluster_ports_change_between_two_starts(cluster):
    client = cluster_client(cluster.nodes)
    for i in range(50):
        client.set(f"key:{i}", i)
    cluster.stop()
    for node in cluster.nodes:
        node.with_cluster_port()
    cluster.restart_all()
    cluster.wait_healthy()
    wait_for(lambda: balanced(cluster), "every node leads its part again")
    client = cluster_client(cluster.nodes[:1], load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN)
    assert {n.port for n in client.get_primaries()} == {n.cluster_port for n in cluster.nodes}
    assert [client.get(f"key:{i}") for i in range(50)] == [str(i) for i in range(50)]


def test_nodes_without_the_port_are_helped_by_those_with_it(new_cluster):
    def make_node(number, folder):
        node = Node(number, folder)
        return node.with_cluster_port() if number == 1 else node

    cluster = new_cluster(make_node=make_node).start()
    first = bare(cluster.nodes[0])
    assert set(owners(first).values()) == {cluster.nodes[0].cluster_port}
    client = cluster_client(cluster.nodes[:1])
    for i in range(50):
        assert client.set(f"key:{i}", i)
    assert [client.get(f"key:{i}") for i in range(50)] == [str(i) for i in range(50)]
    assert client.dbsize() == 50 and len(list(client.scan_iter())) == 50



def test_a_transaction_runs_on_the_leader_of_its_slot_and_is_sent_there(cluster):
    leader = owners(bare(cluster.nodes[0]))[FOO]
    for node in cluster.nodes:
        pipe = connect(node.cluster_port).pipeline().set("foo", 1).incr("foo").get("{foo}none")
        if node.cluster_port == leader:
            assert pipe.execute() == [True, 2, None]
        else:
            with pytest.raises(redis.ResponseError, match=f"{FOO} 127.0.0.1:{leader}"):
                pipe.execute()
    client = connect(leader)
    with client.pipeline() as pipe:
        pipe.watch("foo")
        connect(cluster.nodes[0].port).set("foo", "changed")
        pipe.multi()
        pipe.set("foo", "mine")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.get("foo") == "changed"
