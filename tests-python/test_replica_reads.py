"""READONLY connections: followers answer, never more than the bound late, whoever stands still meanwhile."""

import signal
import threading
import time

import pytest
import redis
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster

from harness.cluster import Cluster, Node, wait_for

BOUND_S = 1.0
# Between an acknowledgement and the moment this process notes it, on a loaded machine.
MARGIN_S = 0.2
KEY = "counter"


@pytest.fixture
def cluster(new_cluster) -> Cluster:
    """One shard, so that two nodes follow and lead nothing."""
    make_node = lambda number, folder: Node(number, folder).with_cluster_port()  # noqa: E731
    cluster = new_cluster(shards=1, flags=("--quorum-timeout", "1s"), make_node=make_node).start()
    # The first replica of the shard leads it once it is settled, and stays.
    wait_for(lambda: leader_of(cluster) is cluster.nodes[1], "the shard is led by the node that should")
    return cluster


def leader_of(cluster: Cluster) -> Node:
    return wait_for(lambda: next((n for n in cluster.running() if info(n, "shards_led")), None), "a leader")


def info(node: Node, name: str) -> int:
    with node.client(socket_timeout=5) as client:
        return client.info("everstore")[name]


def reader_of(node: Node, *options) -> redis.Redis:
    """A client of one connection, READONLY."""
    client = node.client(single_connection_client=True)
    assert client.execute_command("READONLY", *options) in ("OK", True)
    return client


def warm(client: redis.Redis, node: Node):
    """Reads until the node itself answers."""
    before = info(node, "replica_reads")
    wait_for(lambda: (client.get(KEY), info(node, "replica_reads") > before)[1], "the replica answers")


class Writer(threading.Thread):
    """Counts a key up and notes when each number was acknowledged."""

    def __init__(self, nodes: list[Node]):
        super().__init__(daemon=True)
        self.nodes = nodes
        self.acknowledged: dict[int, float] = {}
        self.number = 0
        self.ends = threading.Event()

    def run(self):
        at = 0
        client = self.nodes[0].client(socket_timeout=2)
        while not self.ends.is_set():
            number = self.number + 1
            try:
                client.set(KEY, number)
                self.acknowledged[number] = time.monotonic()
                self.number = number
            except redis.RedisError:
                # Written or not, the same number is written again, by another node.
                at += 1
                client.close()
                client = self.nodes[at % len(self.nodes)].client(socket_timeout=2)
            time.sleep(0.002)

    def __enter__(self):
        self.start()
        self.wait_for_more()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.join(30)
        assert not self.is_alive()

    def wait_for_more(self):
        goal = self.number + 20
        wait_for(lambda: self.number >= goal, "the writer writes")

    def check(self, value: str, since: float):
        """A number was read, and was the newest at some moment after `since` less the bound."""
        replaced = self.acknowledged.get(int(value) + 1, float("inf"))
        late = since - replaced
        assert late <= BOUND_S + MARGIN_S, f"{value} was replaced {late:.3f} s before, the newest is {self.number}"


def read_for(seconds: float, reader: redis.Redis, writer: Writer) -> int:
    """Reads, and checks each of them. Returns how many were answered."""
    until, answered = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        called = time.monotonic()
        writer.check(reader.get(KEY), called)
        answered += 1
    return answered


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
def test_a_follower_answers_and_a_connection_sees_its_own_writes(cluster, protocol):
    leader = leader_of(cluster)
    for node in (n for n in cluster.nodes if n is not leader):
        client = node.client(single_connection_client=True, protocol=protocol)
        client.set(KEY, "plain")
        assert client.get(KEY) == "plain" and info(node, "replica_reads") == 0
        assert client.execute_command("READONLY") in ("OK", True)
        warm(client, node)
        before = info(node, "replica_reads")
        for _ in range(100):
            assert client.get(KEY) == "plain"
        assert client.mget(KEY, "nothing") == ["plain", None] and client.exists(KEY) == 1
        assert client.strlen(KEY) == 5 and client.ttl("nothing") == -2 and client.type(KEY) == "string"
        assert info(node, "replica_reads") > before + 90
        for number in range(200):
            client.set(KEY, number)
            assert client.get(KEY) == str(number)
        assert client.execute_command("READWRITE") in ("OK", True)
        before = info(node, "replica_reads")
        assert client.get(KEY) == "199" and info(node, "replica_reads") == before
        client.set("short", "v", px=300)
        assert client.execute_command("READONLY", "MAX-STALENESS", 500) in ("OK", True)
        time.sleep(0.35)
        assert client.get("short") is None
        with pytest.raises(redis.ResponseError, match="max-staleness '5' is not allowed; allowed: 10 to 3600000"):
            client.execute_command("READONLY", "MAX-STALENESS", 5)
        client.config_set("max-staleness", "200ms")
        assert client.config_get("max-staleness") == {"max-staleness": "200ms"}
        with pytest.raises(redis.ResponseError, match="allowed: 10ms to"):
            client.config_set("max-staleness", "1ms")


def test_a_leader_stands_still_and_reads_go_on(cluster):
    leader = leader_of(cluster)
    others = [n for n in cluster.nodes if n is not leader]
    with Writer(others) as writer:
        readers = [reader_of(node) for node in others]
        for node, reader in zip(others, readers, strict=True):
            warm(reader, node)
        leader.signal(signal.SIGSTOP)
        try:
            # Through the failover nobody gets an error, and nothing that is too old.
            for _ in range(3):
                for reader in readers:
                    assert read_for(0.5, reader, writer) > 10
            writer.wait_for_more()
        finally:
            leader.signal(signal.SIGCONT)
        # The old leader, which was asked nothing meanwhile, answers nothing of then.
        late = reader_of(leader)
        assert read_for(1, late, writer) > 10


def test_without_a_majority_reads_are_refused_past_the_bound(cluster):
    leader = leader_of(cluster)
    node, third = (n for n in cluster.nodes if n is not leader)
    reader, stale = reader_of(node), reader_of(node, "STALE")
    reader.set(KEY, "kept")
    warm(reader, node)
    stopped = time.monotonic()
    for other in (leader, third):
        other.signal(signal.SIGSTOP)
    try:
        answered, refused = 0, None
        while refused is None:
            called = time.monotonic()
            try:
                assert reader.get(KEY) == "kept"
                answered += 1
                assert called - stopped <= BOUND_S + MARGIN_S
            except redis.RedisError as error:
                refused = error
            time.sleep(0.01)
        assert isinstance(refused, redis.exceptions.ClusterDownError), refused
        assert answered > 20 and time.monotonic() - stopped > BOUND_S / 2
        assert stale.get(KEY) == "kept", "asked for by name, whatever its age"
    finally:
        for other in (leader, third):
            other.signal(signal.SIGCONT)
    cluster.wait_healthy()
    assert reader_of(node).get(KEY) == "kept"


def test_a_follower_that_wakes_answers_nothing_older_than_the_bound(cluster):
    for number in range(5):
        leader = leader_of(cluster)
        follower = [n for n in cluster.nodes if n is not leader][number % 2]
        with Writer([leader]) as writer:
            readers = [reader_of(follower) for _ in range(8)]
            for reader in readers:
                warm(reader, follower)
            follower.signal(signal.SIGSTOP)
            try:
                for reader in readers:
                    reader.connection.send_command("GET", KEY)
                time.sleep(1.5 * BOUND_S)
                writer.wait_for_more()
            finally:
                woken = time.monotonic()
                follower.signal(signal.SIGCONT)
            answered = 0
            for reader in readers:
                try:
                    writer.check(reader.connection.read_response(), woken)
                    answered += 1
                except redis.ConnectionError:
                    pass  # What could not leave in time is dropped with its connection.
            assert answered > 0, "most of them had not run yet"
            assert read_for(0.3, reader_of(follower), writer) > 10


@pytest.mark.parametrize("protocol", [2, 3], ids=["resp2", "resp3"])
def test_a_cluster_client_reads_from_replicas(cluster, protocol):
    leader = leader_of(cluster)
    known = [ClusterNode("127.0.0.1", node.cluster_port) for node in cluster.nodes]
    options = {"socket_timeout": 15, "decode_responses": True, "protocol": protocol}
    for chosen in (
        {"read_from_replicas": True},
        {"load_balancing_strategy": LoadBalancingStrategy.ROUND_ROBIN_REPLICAS},
    ):
        client = RedisCluster(startup_nodes=known, **options, **chosen)
        assert len(client.get_replicas()) == 2
        for i in range(50):
            client.set(f"key:{i}", i)
        followers = [node for node in cluster.nodes if node is not leader]
        wait_for(lambda c=client: c.get("key:7") == "7", "a replica has it")
        time.sleep(BOUND_S + MARGIN_S)
        before = [info(node, "replica_reads") for node in followers]
        for _ in range(4):
            assert [client.get(f"key:{i}") for i in range(50)] == [str(i) for i in range(50)]
        read = [info(node, "replica_reads") - old for node, old in zip(followers, before, strict=True)]
        assert all(count > 20 for count in read), read
        client.close()
