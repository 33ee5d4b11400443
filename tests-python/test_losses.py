"""The loss account: what a killed leader had answered in an asynchronous keyspace and lost is kept, and
can be replayed."""

import json
import signal
import subprocess

import pytest
import redis

from harness.cluster import program, wait_for

KEYSPACE = 1


@pytest.fixture
def cluster(new_cluster):
    return new_cluster().start()


def losses(node, *words, code=0):
    command = [program(), "losses", *words, "--node", f"127.0.0.1:{node.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done
    return done.stdout


def listed(node):
    return json.loads(losses(node, "list", "--json"))["losses"]


def leader_of_keyspace(cluster):
    """Keyspace 1 is single: one node leads all of it."""
    status = cluster.nodes[0].status()
    (shard,) = [k["shard"] for k in status["keyspaces"] if k["n"] == KEYSPACE]
    return cluster.by_id(status, status["shards"][shard]["leader"])


def lose(cluster, writes):
    """The leader answers writes nobody else gets, and dies; the others lead on. What it had answered."""
    with cluster.nodes[0].client() as person:
        person.execute_command("KEYSPACE", "SET", KEYSPACE, "REPLICATION", "async")
    victim = leader_of_keyspace(cluster)
    others = [node for node in cluster.nodes if node is not victim]
    client = victim.client(db=KEYSPACE, socket_timeout=2)
    client.mset({"settled": "1", "changed": "1", "removed": "1"})
    client.wait(2, 5000)
    client.get("settled")
    for node in others:
        node.signal(signal.SIGSTOP)
    answered = {}
    try:
        # Until its lease is over, about 120 ms, the leader answers alone.
        for key, value in writes:
            assert client.delete(key) if value is None else client.set(key, value)
            answered[key] = value
    except redis.RedisError:
        pass
    victim.kill()
    for node in others:
        # What waits in their sockets must not reach them.
        node.kill()
    for node in others:
        cluster.restart(node)
    cluster.wait_healthy(up=2)
    return victim, others, answered


def test_the_account_is_what_the_killed_leader_had_answered_and_a_replay_brings_it_back(cluster):
    writes = [("removed", None), ("changed", "2"), ("settled", "2")]
    writes += [(f"lost:{n}", f"value {n}") for n in range(100_000)]
    victim, others, answered = lose(cluster, writes)
    # How many depends on the machine; the first three are of the kinds that matter.
    assert len(answered) > 3
    with others[0].client(db=KEYSPACE, decode_responses=True) as client:
        found = {key: client.get(key) for key in answered}
        lost = {key for key, value in answered.items() if found[key] != value}
        assert lost == set(answered), "the others had none of it"
        assert client.set("changed", "after the failover")

    cluster.restart(victim)
    cluster.wait_healthy()
    # Bounds of other shards go as well: the victim is back.
    wait_for(lambda: [loss["state"] for loss in listed(victim)] == ["lost"], "the account alone")
    (account,) = listed(others[1])
    assert account["not-kept-effects"] == 0
    assert "asynchronous writes that a failover lost" in subprocess.run(
        [program(), "status", "--node", f"127.0.0.1:{victim.port}"], capture_output=True, text=True
    ).stdout

    file = cluster.folder / "lost.jsonl"
    losses(others[1], "export", account["id"], str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines == [json.loads(line) for line in losses(victim, "show", account["id"]).splitlines()]
    keys = {line["key"]: line.get("value") for line in lines if line["what"] == "key"}
    # One write may have been under way when the leader died.
    assert set(answered) <= set(keys) and len(keys) <= len(answered) + 1
    assert all(keys[key] == value for key, value in answered.items())

    losses(victim, "replay", account["id"], code=1)
    with others[1].client(db=KEYSPACE, decode_responses=True) as client:
        for key, value in answered.items():
            expected = "after the failover" if key == "changed" else value
            assert client.get(key) == expected, key
        assert "0 written" in losses(victim, "replay", account["id"], code=1)
        assert '"outcome":"written"' in losses(victim, "replay", account["id"], "--force")
        assert client.get("changed") == "2"
    losses(victim, "acknowledge", account["id"])
    assert listed(others[0]) == []


def test_while_the_old_leader_is_away_the_bound_is_known(cluster):
    with cluster.nodes[0].client() as person:
        person.execute_command("KEYSPACE", "SET", KEYSPACE, "REPLICATION", "async")
    victim = leader_of_keyspace(cluster)
    with victim.client(db=KEYSPACE) as client:
        client.set("k", "1")
        number = victim.status()["answered_by"]
    victim.kill()
    (node, _) = [node for node in cluster.nodes if node is not victim]
    wait_for(lambda: listed(node), "the bound of the loss")
    for bound in listed(node):
        assert (bound["state"], bound["node"], bound["bound-bytes"]) == ("possible", number, 4 << 20)
    assert f"may be lost until node {number} is back" in str(node.status()["problems"])
    cluster.restart(victim)
    wait_for(lambda: listed(node) == [], "nothing was lost")


def test_an_account_survives_kills_until_it_is_acknowledged(cluster):
    victim, others, answered = lose(cluster, [(f"k{n}", "v") for n in range(100_000)])
    cluster.restart(victim)
    wait_for(lambda: [loss["state"] for loss in listed(others[0])] == ["lost"], "the account alone")
    before = listed(others[0])
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        cluster.restart(node)
    cluster.wait_healthy()
    wait_for(lambda: listed(others[0]) == before, "the same account")
    assert before[0]["keys"] >= len(answered)


def test_what_does_not_exist_is_told_so(cluster):
    node = cluster.nodes[0]
    assert losses(node, "list") == "no losses\n"
    command = [program(), "losses", "show", "0-1-2", "--node", f"127.0.0.1:{node.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "has a loss 0-1-2" in done.stderr, done
