"""Asynchronous connections in a synchronous keyspace that allows them: what they risk, and what others do not."""

import json
import signal
import subprocess
import threading

import pytest
import redis

from harness.cluster import program, wait_for

KEYSPACE = 1
REFUSED = f"the write was not done: this connection chose CLIENT REPLICATION async, and keyspace {KEYSPACE} is sync"


@pytest.fixture
def cluster(new_cluster):
    return new_cluster().start()


def everstore(node, *words):
    command = [program(), *words, "--node", f"127.0.0.1:{node.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    return done.stdout


def allow(node, choice="yes", *options):
    everstore(node, "keyspace", "set", str(KEYSPACE), "--allow-async", choice, *options)


def leader_of_keyspace(cluster):
    """Keyspace 1 is single: one node leads all of it."""
    status = cluster.nodes[0].status()
    (shard,) = [k["shard"] for k in status["keyspaces"] if k["n"] == KEYSPACE]
    return cluster.by_id(status, status["shards"][shard]["leader"])


def asynchronous(node):
    client = node.client(db=KEYSPACE, socket_timeout=2)
    assert client.execute_command("CLIENT", "REPLICATION", "async")
    return client


def exposed(client):
    """Of the leader: entries and bytes."""
    info = client.info("everstore")
    return info["exposed_entries"], info["exposed_bytes"]


def test_the_option_is_switched_online_and_named_where_it_is_missing(cluster):
    leader = leader_of_keyspace(cluster)
    with leader.client(db=KEYSPACE) as client:
        with pytest.raises(redis.ResponseError, match="keyspace 1 is sync with allow-async no"):
            client.execute_command("CLIENT", "REPLICATION", "async")
        with pytest.raises(redis.ResponseError, match="allow-async 'maybe' is not allowed; allowed: yes, no"):
            client.execute_command("KEYSPACE", "SET", KEYSPACE, "ALLOW-ASYNC", "maybe")
        with pytest.raises(redis.ResponseError, match="allowed: follow, sync, async"):
            client.execute_command("CLIENT", "REPLICATION", "later")
    allow(cluster.nodes[0])
    clients = [asynchronous(node) for node in cluster.nodes]
    for number, (node, client) in enumerate(zip(cluster.nodes, clients)):
        assert client.set(f"k{number}", "1")
        (listed,) = [k for k in json.loads(everstore(node, "keyspace", "get", "1", "--json")) if k["n"] == 1]
        assert (listed["mode"], listed["allow_async"]) == ("sync", True)
        assert "to connections that chose async: in the leader's log file" in listed["reply_means"]
        assert "sync, async allowed" in everstore(node, "keyspace", "list")
    allow(cluster.nodes[1], "no")
    for client in clients:
        for write in [("SET", "k", "2"), ("DEL", "k0"), ("MSET", "k", "2", "l", "2"), ("FLUSHDB",)]:
            with pytest.raises(redis.ResponseError, match=REFUSED):
                client.execute_command(*write)
        assert client.mget("k", "k0", "k1", "k2") == [None, "1", "1", "1"]
        assert client.execute_command("CLIENT", "REPLICATION", "follow")
        assert client.set("k1", "1")


def test_what_is_answered_is_exposed_within_the_bound_and_seen_by_nobody(cluster):
    allow(cluster.nodes[0], "yes", "--max-exposure-bytes", "4096", "--max-exposure-ms", "60000")
    leader = leader_of_keyspace(cluster)
    others = [node for node in cluster.nodes if node is not leader]
    fast, sync = asynchronous(leader), leader.client(db=KEYSPACE, socket_timeout=2)
    assert sync.set("seen", "before")
    sync.wait(2, 5000)
    for node in others:
        node.signal(signal.SIGSTOP)
    # Until its lease is over, about 120 ms, the leader answers alone; one pipeline is quick enough.
    with leader.client(db=KEYSPACE, socket_timeout=0.05, retry=None) as reader:
        answered = fast.pipeline(transaction=False).set("seen", "x" * 1000).set("other", "y" * 1000)
        assert answered.execute() == [True, True]
        entries, count = exposed(fast)
        assert entries >= 1 and 2000 <= count <= 4096
        with pytest.raises(redis.TimeoutError):
            reader.get("seen")
    for node in others:
        node.signal(signal.SIGCONT)
    cluster.wait_healthy()
    with others[0].client(db=KEYSPACE) as reader:
        assert len(reader.get("seen")) in (6, 1000)
    wait_for(lambda: all(exposed(node.client())[0] == 0 for node in cluster.nodes), "nothing exposed")


class Synchronous(threading.Thread):
    """Writes keys one after the other and reads each back; what was answered is kept."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.client = node.client(db=KEYSPACE, socket_timeout=5)
        self.answered, self.read = {}, {}

    def run(self):
        try:
            for number in range(1_000_000):
                key = f"sync:{number}"
                self.client.set(key, "1")
                self.answered[key] = "1"
                self.read["shared"] = self.client.get("shared")
        except redis.RedisError:
            return


def test_a_killed_leader_has_accounts_of_asynchronous_connections_alone(cluster):
    allow(cluster.nodes[0])
    victim = leader_of_keyspace(cluster)
    others = [node for node in cluster.nodes if node is not victim]
    fast, beside = asynchronous(victim), Synchronous(victim)
    beside.start()
    assert fast.set("shared", "none")
    wait_for(lambda: len(beside.answered) > 100, "writes of the synchronous connection")
    fast.wait(2, 5000)
    for node in others:
        node.signal(signal.SIGSTOP)
    answered, asked = {}, {}
    try:
        # Until its lease is over, about 120 ms, the leader answers alone.
        for turn in range(10_000):
            asked = {f"lost:{turn}:{n}": f"value {n}" for n in range(10)} | {"shared": str(turn)}
            batch = fast.pipeline(transaction=False)
            for key, value in asked.items():
                batch.set(key, value)
            assert all(batch.execute())
            answered |= asked
    except redis.RedisError:
        pass
    victim.kill()
    for node in others:
        # What waits in their sockets must not reach them.
        node.kill()
    beside.join(20)
    for node in others:
        cluster.restart(node)
    cluster.wait_healthy(up=2)
    assert len(answered) > 10

    with others[0].client(db=KEYSPACE) as client:
        kept = list(beside.answered)
        assert client.mget(kept) == ["1"] * len(kept), "nothing a synchronous connection was told is lost"
        assert client.get("shared") == beside.read["shared"], "nor what it has read"
        lost = {key for key, value in answered.items() if client.get(key) != value}
        assert "shared" in lost

    cluster.restart(victim)
    cluster.wait_healthy()

    def accounts():
        return json.loads(everstore(victim, "losses", "list", "--json"))["losses"]

    wait_for(lambda: [loss["state"] for loss in accounts()] == ["lost"], "the account alone")
    lines = [json.loads(line) for line in everstore(victim, "losses", "show", accounts()[0]["id"]).splitlines()]
    keys = {line["key"]: line.get("value") for line in lines if line["what"] == "key"}
    # Of the asynchronous connection the last writes may have been under way; of the synchronous one none is in it.
    assert lost <= set(keys) <= lost | set(asked)
    assert all(keys[key] == answered[key] for key in lost - {"shared"})
    assert keys["shared"] in (answered["shared"], asked["shared"])
