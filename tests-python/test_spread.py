"""What only a sharded store has: slots, forwarding, gathered replies. Not for a plain Redis."""

import os

import pytest
import redis

from harness.cluster import connect

pytestmark = pytest.mark.skipif("EVERSTORE_TEST_PORTS" in os.environ, reason="runs against another store")


def test_any_node_answers_for_every_key(shared_ports):
    clients = [connect(port) for port in shared_ports]
    clients[0].flushdb()
    for i in range(300):
        clients[i % len(clients)].set(f"any:{i}", str(i))
    for client in clients:
        assert client.mget([f"any:{i}" for i in range(300)]) == [str(i) for i in range(300)]
        assert client.dbsize() == 300


@pytest.mark.parametrize(
    "command",
    ["MSETNX a 1 b 2", "RENAME a b", "RENAMENX a b", "COPY a b", "LCS a b", "BITOP OR a b"],
)
def test_atomic_commands_over_slots_are_refused_with_the_way_out(r, command):
    r.mset({"a": "1", "b": "2"})
    with pytest.raises(redis.ResponseError) as refused:
        r.execute_command(*command.split())
    text = str(refused.value)
    assert "slot" in text and "{" in text and "single" in text, text


def test_replies_of_a_pipeline_keep_their_order(r):
    pipeline = r.pipeline(transaction=False)
    for i in range(2000):
        pipeline.set(f"order:{i}", i)
        pipeline.get(f"order:{i}")
        pipeline.incr("order:count")
    replies = pipeline.execute()
    for i in range(2000):
        assert replies[3 * i : 3 * i + 3] == [True, str(i), i + 1]


def test_layout_is_chosen_while_the_keyspace_is_empty(shared_ports):
    with connect(shared_ports[0], db=12) as client:
        client.flushdb()
        assert client.execute_command("KEYSPACE", "SET", "12", "LAYOUT", "spread") in ("OK", True)
        client.mset({"a": "1", "b": "2"})
        with pytest.raises(redis.ResponseError, match="slot"):
            client.rename("a", "b")
        with pytest.raises(redis.ResponseError):
            client.execute_command("KEYSPACE", "SET", "12", "LAYOUT", "single")
        client.flushdb()
        assert client.execute_command("KEYSPACE", "SET", "12", "LAYOUT", "single") in ("OK", True)
        client.mset({"a": "1", "b": "2"})
        assert client.rename("a", "b") is True


def test_wait_counts_replicas(r):
    r.set("k", "v")
    assert r.wait(2, 5000) == 2
    assert r.wait(1, 5000) >= 1


def test_too_large_values_are_refused_and_change_nothing(r):
    """Only a plain SET of one key may be large; whatever else a command carries is limited to 8 MiB."""
    limit = 8 << 20
    too_large = "x" * (limit + 1)
    with pytest.raises(redis.ResponseError):
        r.mset({"large": too_large, "small": "x"})
    with pytest.raises(redis.ResponseError):
        r.rpush("large", too_large)
    assert r.exists("large", "small") == 0
    assert r.set("large", "x" * limit) is True
    with pytest.raises(redis.ResponseError):
        r.append("large", too_large)
    assert r.strlen("large") == limit


def test_swapdb_is_refused_clearly(r):
    with pytest.raises(redis.ResponseError):
        r.execute_command("SWAPDB", "0", "1")
