"""More data than memory: rows leave memory and come back, whatever happens to the nodes."""

import random

import redis

from harness.cluster import wait_for

# Half the values are small, some are larger than all the memory that rows may take.
SIZES = [0, 1, 10, 100, 100, 1000, 10_000, 100_000, 1_500_000]
FLAGS = ("--max-memory", "1mb", "--checkpoint-log-share", "8mb")


def figures(node):
    with node.client() as client:
        return client.info("everstore")


class Model:
    """Random commands on keys of several nodes, and what they must answer."""

    def __init__(self, cluster, seed):
        self.rng = random.Random(seed)
        self.clients = [node.client() for node in cluster.nodes]
        self.values = {}

    def run(self, commands):
        for _ in range(commands):
            client = self.rng.choice(self.clients)
            key = f"key:{self.rng.randrange(400)}"
            before = self.values.get(key)
            kind = self.rng.randrange(8)
            if kind < 3:
                value = self.rng.choice("abcdefgh") * self.rng.choice(SIZES)
                assert client.set(key, value)
                self.values[key] = value
            elif kind == 3 and len(before or "") < 2_000_000:
                assert client.append(key, "+") == len(before or "") + 1
                self.values[key] = (before or "") + "+"
            elif kind == 4:
                assert client.delete(key) == (before is not None)
                self.values.pop(key, None)
            elif kind == 5:
                assert client.strlen(key) == len(before or "")
            else:
                assert client.get(key) == before, key

    def check(self, client):
        keys = sorted(self.values)
        assert client.dbsize() == len(keys)
        assert sorted(client.scan_iter(count=7)) == keys
        assert sorted(client.keys("*")) == keys
        for start in range(0, len(keys), 5):
            some = keys[start : start + 5]
            assert client.mget(some) == [self.values[key] for key in some]
        if keys:
            assert client.randomkey() in self.values


def test_random_values_of_all_sizes_in_a_mebibyte_of_memory(new_cluster):
    cluster = new_cluster(shards=4, flags=FLAGS).start()
    model = Model(cluster, 11)
    for _ in range(3):
        model.run(700)
        model.check(model.clients[0])
    shown = [figures(node) for node in cluster.nodes]
    assert any(figure["rows_cold"] > 0 for figure in shown), shown
    assert sum(figure["cold_fetches"] for figure in shown) > 0
    # A start reads what it may keep, and knows of the rest.
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.start()
    cluster.wait_healthy()
    model.clients = [node.client() for node in cluster.nodes]
    model.check(model.clients[1])
    model.run(300)
    model.check(model.clients[2])


def test_a_load_beyond_memory_slows_down_and_loses_nothing(new_cluster):
    cluster = new_cluster(shards=4, flags=("--max-memory", "4mb", "--checkpoint-log-share", "8mb")).start()
    with cluster.nodes[0].client() as client:
        for start in range(0, 60_000, 500):
            pipe = client.pipeline(transaction=False)
            for n in range(start, start + 500):
                pipe.set(f"key:{n}", f"value of {n}".ljust(100))
            assert all(pipe.execute())
        assert client.dbsize() == 60_000
        for n in range(0, 60_000, 997):
            assert client.get(f"key:{n}") == f"value of {n}".ljust(100)
        memory = client.info("memory")
        shares = ("rows", "log_tail", "checkpoints", "row_store", "other")
        assert 0 < sum(memory[f"used_memory_{share}"] for share in shares) < 2 * memory["used_memory_rss"]
        assert memory["used_memory_rows"] <= 4 << 20, memory
        written = client.info("everstore")
        assert written["rows_ingested_bytes"] > 60_000 * 100 / 2, written
        # Measured once a second.
        wait_for(lambda: client.info("everstore")["log_written_bytes"] > 60_000 * 100, "all of it is in the log")
        assert client.config_get("maxmemory") == {"maxmemory": str(4 << 20)}
        assert client.config_set("maxmemory", "64mb")
        # So little that nothing can become of it: whatever needs memory is refused, and nothing else.
        assert client.config_set("maxmemory", "12")
        try:
            client.set("key:0", "more")
        except redis.ResponseError as error:
            assert str(error).startswith("command not allowed when used memory > 'maxmemory'"), error
        else:
            raise AssertionError("12 bytes are too little for a write")
        assert client.get("key:997") is not None and client.delete("key:997") == 1
        assert client.config_set("maxmemory", "64mb") and client.set("key:0", "more")
