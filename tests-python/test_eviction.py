"""Caches: bounded by memory under load, whatever happens to their leaders; nothing else loses a key."""

import pytest

FLAGS = ("--max-memory", "8mb", "--checkpoint-log-share", "8mb")
VALUE = "v" * 500


@pytest.fixture
def cluster(new_cluster):
    return new_cluster(shards=4, flags=FLAGS).start()


def fill(client, prefix, count):
    for start in range(0, count, 500):
        pipe = client.pipeline(transaction=False)
        for n in range(start, min(start + 500, count)):
            pipe.set(f"{prefix}:{n}", VALUE)
        assert all(pipe.execute())


def evicted(cluster):
    total = 0
    for node in cluster.nodes:
        with node.client() as client:
            total += client.info("stats")["evicted_keys"]
    return total


def test_a_cache_takes_any_load_in_bounded_memory_and_survives_its_leader(cluster):
    with cluster.nodes[0].client() as durable, cluster.nodes[0].client(db=5) as cache:
        assert durable.execute_command("KEYSPACE", "SET", 5, "CACHE", "allkeys-lru")
        fill(durable, "durable", 2000)
        fill(cache, "cached", 60_000)
        left = cache.dbsize()
        assert 0 < left < 30_000, left
        assert evicted(cluster) >= 60_000 - left > 0
        # What came last is there: the least recently used went.
        assert cache.exists(*[f"cached:{n}" for n in range(59_900, 60_000)]) > 90
        assert cache.mget([f"cached:{n}" for n in range(100)]) == [None] * 100
    cluster.busiest().kill()
    cluster.wait_healthy(up=2)
    survivors = cluster.running()
    with survivors[0].client() as durable, survivors[1].client(db=5) as cache:
        fill(cache, "again", 20_000)
        assert cache.mget([f"cached:{n}" for n in range(100)]) == [None] * 100
        keys = [f"durable:{n}" for n in range(2000)]
        for start in range(0, 2000, 100):
            assert durable.mget(keys[start : start + 100]) == [VALUE] * 100
        assert durable.dbsize() == 2000
