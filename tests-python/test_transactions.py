"""MULTI, EXEC, WATCH of redis-py as on any Redis, and through the loss of leaders."""

import threading

import pytest
import redis

from harness.cluster import connect


def test_a_pipeline_is_one_transaction(r):
    pipe = r.pipeline(transaction=True)
    pipe.set("{t}a", 1).incr("{t}a").get("{t}a").mget("{t}a", "{t}none").ping()
    assert pipe.execute() == [True, 2, "2", ["2", None], True]
    pipe = r.pipeline().set("{t}a", "text").incr("{t}a").set("{t}b", "after")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        pipe.execute()
    assert r.mget("{t}a", "{t}b") == ["text", "after"], "as in Redis, one command that fails undoes no other"


def test_keys_of_different_slots_are_refused_and_nothing_is_done(r):
    with pytest.raises(redis.ResponseError, match="same slot"):
        r.pipeline().set("a", 1).set("b", 1).execute()
    assert r.exists("a", "b") == 0
    with pytest.raises(redis.ResponseError, match="same slot"):
        r.pipeline().watch("a", "b")


def test_a_single_keyspace_takes_everything(single):
    pipe = single.pipeline().mset({"a": 1, "b": 2}).rename("a", "c").dbsize().keys("*").delete("b", "c").dbsize()
    set_, renamed, size, keys, deleted, left = pipe.execute()
    assert (set_, renamed, size, sorted(keys), deleted, left) == (True, True, 2, ["b", "c"], 2, 0)


def test_watch_sees_what_others_change(r, shared_ports):
    with connect(shared_ports[0]) as other, r.pipeline() as pipe:
        r.set("{w}n", 1)
        pipe.watch("{w}n")
        other.set("{w}n", 5)
        pipe.multi()
        pipe.set("{w}n", 2)
        with pytest.raises(redis.WatchError):
            pipe.execute()
        assert r.get("{w}n") == "5"

        def add(pipe):
            now = int(pipe.get("{w}n"))
            pipe.multi()
            pipe.set("{w}n", now + 1)

        assert r.transaction(add, "{w}n") == [True]
        assert r.get("{w}n") == "6"


def test_a_connection_shows_its_transaction(r):
    with r.client() as one:
        mine = one.client_id()
        one.execute_command("MULTI")
        one.execute_command("SET", "{c}a", "1")
        shown = next(c for c in r.client_list() if int(c["id"]) == mine)
        assert (shown["multi"], "x" in shown["flags"]) == ("1", True)
        one.execute_command("DISCARD")
        shown = next(c for c in r.client_list() if int(c["id"]) == mine)
        assert (shown["multi"], "x" in shown["flags"]) == ("-1", False)


class Counter(threading.Thread):
    """Adds one to a counter with WATCH, and says so in a second key of the same transaction."""

    def __init__(self, port: int, number: int, stop: threading.Event):
        super().__init__()
        self.port, self.mine, self.stop = port, f"{{n}}by{number}", stop
        self.added, self.conflicts, self.errors = 0, 0, []

    def run(self):
        with connect(self.port) as client:
            while not self.stop.is_set():
                try:
                    self.add(client)
                    self.added += 1
                except redis.WatchError:
                    self.conflicts += 1
                except redis.RedisError as error:
                    self.errors.append(repr(error))

    def add(self, client):
        with client.pipeline() as pipe:
            pipe.watch("{n}sum")
            now = int(pipe.get("{n}sum") or 0)
            pipe.multi()
            pipe.set("{n}sum", now + 1).incr(self.mine)
            assert pipe.execute()[0]


def test_a_counter_with_watch_is_exact_through_the_loss_of_leaders(new_cluster):
    cluster = new_cluster(shards=2).start()
    for _ in range(2):
        victim = cluster.busiest()
        stop = threading.Event()
        ports = [node.port for node in cluster.nodes if node is not victim]
        with connect(ports[0]) as client:
            client.delete("{n}sum", *[f"{{n}}by{n}" for n in range(3)])
        counters = [Counter(ports[n % 2], n, stop) for n in range(3)]
        for counter in counters:
            counter.start()
        stop.wait(1)
        victim.kill()
        stop.wait(2)
        stop.set()
        for counter in counters:
            counter.join()
        assert [counter.errors for counter in counters] == [[], [], []], "clients of surviving nodes see no error"
        with connect(ports[1]) as client:
            by = [int(client.get(counter.mine) or 0) for counter in counters]
            assert by == [counter.added for counter in counters]
            assert int(client.get("{n}sum")) == sum(by) > 50
        cluster.restart(victim)
        cluster.wait_healthy()


def test_an_asynchronous_keyspace_has_transactions(shared_ports):
    clients = [connect(port, db=7) for port in shared_ports]
    clients[0].flushdb()
    assert clients[0].execute_command("KEYSPACE", "SET", "7", "REPLICATION", "async") in ("OK", True)
    try:
        for number, client in enumerate(clients):
            pipe = client.pipeline().incr("n").rpush("l", number).lrange("l", 0, -1)
            assert pipe.execute() == [number + 1, number + 1, [str(n) for n in range(number + 1)]]
        with clients[1].pipeline() as pipe:
            pipe.watch("n")
            clients[2].incr("n")
            pipe.multi()
            pipe.set("n", 0)
            with pytest.raises(redis.WatchError):
                pipe.execute()
        assert clients[0].get("n") == "4"
    finally:
        clients[0].execute_command("KEYSPACE", "SET", "7", "REPLICATION", "sync")
