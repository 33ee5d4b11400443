"""Commands that wait for something to take, through every node, and while leaders are killed."""

import threading
import time

import pytest
import redis

from harness.cluster import connect, wait_for
from harness.waiting import blocked, in_background, waits

SINGLE = 9


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def clients(shared_ports, request):
    """A client of each node on a keyspace of layout single, which is empty."""
    made = [connect(port, db=SINGLE, protocol=request.param, socket_timeout=30) for port in shared_ports]
    made[0].flushdb()
    yield made
    for client in made:
        client.close()


def test_what_is_there_is_taken_at_once(clients):
    for client in clients:
        client.rpush("l", "a", "b", "c", "d", "e", "f")
        assert list(client.blpop(["none", "l"], 1)) == ["l", "a"]
        assert list(client.brpop("l", 1)) == ["l", "f"]
        assert client.blmove("l", "m", 1, "LEFT", "RIGHT") == "b"
        assert client.brpoplpush("l", "m", 1) == "e"
        assert client.blmpop(1, 2, "none", "m", direction="LEFT", count=5) == ["m", ["e", "b"]]
        client.delete("l", "m")


def test_nothing_in_time(clients):
    for client in clients:
        begun = time.monotonic()
        assert client.blpop("none", 0.2) is None
        assert client.blmove("none", "m", 0.1, "LEFT", "LEFT") is None
        assert client.blmpop(0.1, 1, "none", direction="LEFT") is None
        assert 0.35 < time.monotonic() - begun < 10
        with pytest.raises(redis.ResponseError, match="timeout is negative"):
            client.blpop("none", -1)
        with pytest.raises(redis.ResponseError, match="timeout is not a float"):
            client.execute_command("BLPOP", "none", "x")


def test_who_waits_longest_is_served_first(clients):
    threads = []
    for at, client in enumerate(clients):
        threads.append(in_background(lambda client=client: client.blpop("queue", 20)))
        wait_for(lambda: sum(blocked(c) for c in clients[at : at + 1]) == 1, "the client waits")
        time.sleep(0.05)
    with _another(clients[0]) as pusher:
        # In one command with three items, and what is pushed is gone before the next command looks.
        assert pusher.rpush("queue", "1", "2", "3") == 3
        assert pusher.lpop("queue") is None
    for thread, _ in threads:
        thread.join(20)
    assert [result[0][1] for _, result in threads] == ["1", "2", "3"]


def _another(client):
    given = client.connection_pool.connection_kwargs
    return connect(given["port"], db=SINGLE, protocol=given.get("protocol", 2), socket_timeout=30)


def test_a_wait_is_ended_by_unblock(clients):
    for how, expected in [("TIMEOUT", type(None)), ("ERROR", redis.ResponseError)]:
        client = clients[1]
        with _another(client) as waiting:
            number = waiting.client_id()
            thread, result = in_background(lambda: waiting.blpop("never", 0))
            waits(client)
            assert client.execute_command("CLIENT", "UNBLOCK", number, how) == 1
            thread.join(20)
            assert isinstance(result[0], expected)


def test_nothing_is_taken_for_a_client_that_is_gone(clients):
    for client in clients:
        gone = _another(client)
        thread, _ = in_background(lambda: gone.blpop("mine", 0))
        waits(client)
        gone.connection_pool.disconnect()
        thread.join(20)
        wait_for(lambda: blocked(client) == 0, "it is gone")
        time.sleep(0.3)
        client.rpush("mine", "kept")
        assert client.lpop("mine") == "kept"


def test_a_transaction_does_not_wait_and_serves_when_it_ends(clients):
    client = clients[0]
    pipe = client.pipeline(transaction=True)
    pipe.blpop("none", 0)
    pipe.rpush("q", "x")
    pipe.lpop("q")
    pipe.rpush("q", "y")
    with _another(clients[2]) as waiting:
        thread, result = in_background(lambda: waiting.blpop("q", 20))
        waits(clients[2])
        assert pipe.execute() == [None, 1, "x", 1]
        thread.join(20)
        assert result[0][1] == "y"


def shards(node):
    return node.status()["shards"]


def test_waiting_survives_a_failover_and_nothing_is_lost_or_taken_twice(new_cluster):
    cluster = new_cluster(shards=4).start()
    taken, pushed, stop = [], [], threading.Event()

    def consume(node):
        with node.client(db=SINGLE, socket_timeout=60) as client:
            while not stop.is_set() or client.llen("jobs"):
                item = client.blpop("jobs", 1)
                if item:
                    taken.append(int(item[1]))

    survivors = cluster.nodes[:2]
    threads = [threading.Thread(target=consume, args=(node,)) for node in survivors for _ in range(3)]
    for thread in threads:
        thread.start()
    victim = cluster.nodes[2]
    with survivors[0].client(socket_timeout=60) as admin, survivors[0].client(db=SINGLE, socket_timeout=60) as producer:
        for round_ in range(3):
            for shard in shards(survivors[0]):
                if shard["leader"] != victim.number:
                    admin.execute_command("EVERSTORE", "SWITCHOVER", "SHARD", shard["id"], "TO", victim.number)
            wait_for(lambda: all(s["leader"] == victim.number for s in shards(survivors[0])), "it leads")
            for n in range(60):
                job = round_ * 1000 + n
                producer.rpush("jobs", job)
                pushed.append(job)
                if n == 30:
                    victim.kill()
            cluster.restart(victim)
            cluster.wait_healthy()
        stop.set()
        for thread in threads:
            thread.join(60)
        assert producer.llen("jobs") == 0
    assert sorted(taken) == pushed
