"""Streams through every node: what is added is read, also by those who wait for it while leaders are killed."""

import threading
import time

import pytest
import redis

from harness.cluster import connect, wait_for
from harness.waiting import in_background, waits

SINGLE = 9


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def clients(shared_ports, request):
    """A client of each node on a keyspace of layout single, which is empty."""
    made = [connect(port, db=SINGLE, protocol=request.param, socket_timeout=30) for port in shared_ports]
    made[0].flushdb()
    yield made
    for client in made:
        client.close()


def another(client, **options):
    given = client.connection_pool.connection_kwargs
    return connect(given["port"], db=SINGLE, protocol=given.get("protocol", 2), socket_timeout=30, **options)


def read(client, streams, **options) -> dict:
    """What XREAD brings, by stream: pairs of an id and fields."""
    found = client.xread(streams, **options)
    if isinstance(found, dict):
        # The client puts the entries of RESP3 into a list of their own.
        return {name: entries[0] for name, entries in found.items()}
    return {name: entries for name, entries in found or []}


def test_entries_are_added_read_deleted_and_trimmed(clients):
    for at, client in enumerate(clients):
        other, name = clients[at - 1], f"s{at}"
        ids = [client.xadd(name, {"n": n, "text": "x" * n}) for n in range(50)]
        assert other.xlen(name) == 50 and ids == sorted(ids, key=lambda i: [int(n) for n in i.split("-")])
        assert [i for i, _ in other.xrange(name)] == ids
        assert other.xrevrange(name, count=2) == [(i, {"n": str(n), "text": "x" * n}) for n, i in [(49, ids[49]), (48, ids[48])]]
        assert [i for i, _ in read(other, {name: ids[40]})[name]] == ids[41:]
        assert client.xdel(name, ids[0], ids[0], ids[49]) == 2
        assert other.xtrim(name, maxlen=10, approximate=False) == 38
        assert other.xtrim(name, minid=ids[40], approximate=False) == 1
        info = client.xinfo_stream(name)
        assert info["length"] == 9 and info["last-generated-id"] == ids[49]
        assert info["max-deleted-entry-id"] == ids[49] and info["entries-added"] == 50
        assert info["first-entry"][0] == ids[40] and info["groups"] == 0
        assert client.xinfo_groups(name) == []
        assert other.object("encoding", name) == "stream" and other.memory_usage(name) > 100


def test_whole_pages_are_trimmed_where_it_may_be_about_right(clients):
    client = clients[0]
    for n in range(1, 351):
        client.xadd("s", {"n": n}, id=n)
    assert client.xtrim("s", maxlen=120, approximate=True, limit=150) == 100
    assert client.xtrim("s", maxlen=120, approximate=True) == 100
    assert client.xtrim("s", maxlen=120, approximate=True) == 0
    assert client.xtrim("s", minid=300, approximate=True) == 0
    assert client.xtrim("s", minid=301, approximate=True) == 100
    assert client.xrange("s", count=1)[0][0] == "301-0"


def test_an_empty_stream_stays_with_its_ids(clients):
    client = clients[1]
    client.xadd("s", {"a": 1}, id="5-1")
    assert client.xdel("s", "5-1") == 1
    assert client.exists("s") == 1 and client.xlen("s") == 0
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        clients[2].xadd("s", {"a": 1}, id="5-1")
    assert client.xinfo_stream("s")["first-entry"] is None


def test_all_who_wait_get_what_comes(clients):
    waiting = [another(client) for client in clients for _ in range(3)]
    clients[0].xadd("s", {"before": 1})
    threads = [in_background(lambda c=c: read(c, {"none": "$", "s": "$"}, block=20_000)) for c in waiting]
    for client in clients:
        waits(client, 3)
    time.sleep(1.2)  # Into the second round: what they wait behind stays the same.
    added = clients[1].xadd("s", {"n": 1})
    for thread, result in threads:
        thread.join(20)
        assert result == [{"s": [(added, {"n": "1"})]}]
    for client in waiting:
        client.close()


def test_who_reads_takes_nothing_from_who_takes(clients):
    reader, taker = another(clients[0]), another(clients[1])
    read_thread, read_result = in_background(lambda: read(reader, {"k": "0", "l": "0"}, block=20_000))
    waits(clients[0])
    take_thread, take_result = in_background(lambda: taker.blpop(["k", "l"], 20))
    waits(clients[1])
    # Something else under a key is waited through by both, and the other key serves them all the same.
    clients[2].set("k", "text")
    time.sleep(1.2)
    clients[2].rpush("l", "item")
    take_thread.join(20)
    assert [tuple(item) for item in take_result] == [("l", "item")]
    added = clients[2].xadd("l", {"n": 1})
    read_thread.join(20)
    assert read_result == [{"l": [(added, {"n": "1"})]}]
    reader.close()
    taker.close()


def test_waiting_ends_in_time_or_when_it_is_told_to(clients):
    for client in clients:
        begun = time.monotonic()
        assert read(client, {"none": "$"}, block=200) == {}
        assert read(client, {"none": "0"}, block=1) == {}
        assert 0.15 < time.monotonic() - begun < 10
        with pytest.raises(redis.ResponseError, match="timeout is negative"):
            client.execute_command("XREAD", "BLOCK", -1, "STREAMS", "s", "$")
    for how, expected in [("TIMEOUT", dict), ("ERROR", redis.ResponseError)]:
        with another(clients[1]) as waiting:
            number = waiting.client_id()
            thread, result = in_background(lambda: read(waiting, {"never": "$"}, block=0))
            waits(clients[1])
            assert clients[1].execute_command("CLIENT", "UNBLOCK", number, how) == 1
            thread.join(20)
            assert isinstance(result[0], expected)


def test_a_transaction_does_not_wait_and_serves_when_it_ends(clients):
    pipe = clients[0].pipeline(transaction=True)
    pipe.execute_command("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
    pipe.xadd("s", {"n": 1}, id="1-1")
    pipe.xadd("s", {"n": 2}, id="1-2")
    with another(clients[2]) as waiting:
        thread, result = in_background(lambda: read(waiting, {"s": "$"}, block=20_000))
        waits(clients[2])
        assert pipe.execute()[1:] == ["1-1", "1-2"]
        thread.join(20)
        assert result == [{"s": [("1-1", {"n": "1"}), ("1-2", {"n": "2"})]}]


def test_streams_are_moved_and_restored(clients, shared_ports):
    client = clients[0]
    for n in range(1, 1001):
        client.xadd("s", {"n": n, "text": "\u00e4" * n}, id=f"{n}-1")
    client.xdel("s", "500-1")
    with redis.Redis(port=shared_ports[1], db=SINGLE) as raw:
        raw.restore("t", 0, raw.dump("s"))
        assert raw.xrange("t") == raw.xrange("s")
    assert client.copy("s", "u") and client.rename("u", "v")
    for name in ["t", "v"]:
        info = client.xinfo_stream(name)
        assert (info["length"], info["entries-added"], info["max-deleted-entry-id"]) == (999, 1000, "500-1")
    # As Redis 7.0.15 dumps a stream with one consumer group.
    groups = (
        b'\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x1d\x1d\x00\x00\x00\n\x00\x01\x01\x00\x01\x01\x01\x81a\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81'
        b'b\x02\x04\x01\xff\x01\x01\x01\x01\x01\x00\x00\x01\x01\x07readers\x00\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\n\x00\xbc\xbf#y4\xb6\xe6\xbb'
    )
    with redis.Redis(port=shared_ports[1], db=SINGLE) as raw:
        with pytest.raises(redis.ResponseError, match="consumer groups, which are not stored yet"):
            raw.restore("g", 0, groups)
        assert raw.exists("g") == 0


def lead_all(cluster, victim, by):
    """The node leads all shards."""
    with by.client(socket_timeout=60) as admin:
        shards = lambda: by.status()["shards"]
        for shard in shards():
            if shard["leader"] != victim.number:
                admin.execute_command("EVERSTORE", "SWITCHOVER", "SHARD", shard["id"], "TO", victim.number)
        wait_for(lambda: all(s["leader"] == victim.number for s in shards()), "it leads")


def test_readers_miss_nothing_while_leaders_are_killed(new_cluster):
    cluster = new_cluster(shards=4).start()
    survivors, victim = cluster.nodes[:2], cluster.nodes[2]
    stop, added = threading.Event(), []
    seen = [[] for _ in range(4)]

    def follow(node, mine):
        with node.client(db=SINGLE, socket_timeout=60) as client:
            last = "0"
            while not stop.is_set() or (added and last != added[-1]):
                for entry, _ in read(client, {"events": last}, block=1000).get("events", []):
                    mine.append(entry)
                    last = entry

    threads = [threading.Thread(target=follow, args=(survivors[i % 2], mine)) for i, mine in enumerate(seen)]
    for thread in threads:
        thread.start()
    with survivors[0].client(db=SINGLE, socket_timeout=60) as producer:
        for _ in range(3):
            lead_all(cluster, victim, survivors[0])
            for n in range(60):
                added.append(producer.xadd("events", {"n": n}))
                if n == 30:
                    victim.kill()
            cluster.restart(victim)
            cluster.wait_healthy()
        stop.set()
        for thread in threads:
            thread.join(60)
        assert [entry for entry, _ in producer.xrange("events")] == added
    assert all(mine == added for mine in seen)
    order = [tuple(int(n) for n in entry.split("-")) for entry in added]
    assert order == sorted(set(order))


def test_who_waits_behind_the_last_entry_does_so_for_the_next_leader(new_cluster):
    cluster = new_cluster(shards=4).start()
    survivors, victim = cluster.nodes[:2], cluster.nodes[2]
    lead_all(cluster, victim, survivors[0])
    with survivors[0].client(db=SINGLE, socket_timeout=60) as writer, survivors[1].client(db=SINGLE, socket_timeout=60) as waiting:
        writer.xadd("s", {"n": 0}, id="9999999999999-1")
        thread, result = in_background(lambda: read(waiting, {"s": "$"}, block=0))
        with survivors[1].client(socket_timeout=60) as looking:
            waits(looking)
        victim.kill()
        added = writer.xadd("s", {"n": 1})
        thread.join(30)
        assert added == "9999999999999-2" and result == [{"s": [(added, {"n": "1"})]}]


def test_streams_are_there_after_all_nodes_were_started_anew(new_cluster):
    cluster = new_cluster(shards=2).start()
    with cluster.nodes[0].client(db=SINGLE, socket_timeout=60) as client:
        for n in range(1, 301):
            client.xadd("s", {"n": n, "text": "x" * 50}, id=f"{n}-{n}")
        client.xadd("void", {"n": 1}, id="7-7", maxlen=0, approximate=False)
        client.xdel("s", "3-3", "300-300")
        before = client.xrange("s"), client.xinfo_stream("s"), client.xinfo_stream("void")
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        cluster.restart(node)
    cluster.wait_healthy()
    with cluster.nodes[1].client(db=SINGLE, socket_timeout=60) as client:
        assert (client.xrange("s"), client.xinfo_stream("s"), client.xinfo_stream("void")) == before
        assert client.xlen("void") == 0 and client.xinfo_stream("void")["last-generated-id"] == "7-7"
        with pytest.raises(redis.ResponseError, match="equal or smaller"):
            client.xadd("s", {"n": 1}, id="300-300")
