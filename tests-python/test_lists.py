"""The list commands and SORT as redis-py sends them, over RESP2 and RESP3."""

import pytest
import redis


def test_push_and_pop(r):
    assert r.rpush("l", "a", "b", "c") == 3
    assert r.lpush("l", "x", "y") == 5
    assert r.lrange("l", 0, -1) == ["y", "x", "a", "b", "c"]
    assert r.llen("l") == 5
    assert r.lpop("l") == "y"
    assert r.rpop("l", 2) == ["c", "b"]
    assert r.lpop("l", 0) == []
    assert r.lpop("l", 9) == ["x", "a"]
    assert r.exists("l") == 0
    assert r.lpop("l") is None
    assert r.rpop("l", 1) is None
    assert r.rpushx("l", "a") == 0
    assert r.lpushx("l", "a") == 0


def test_edit(r):
    r.rpush("l", "a", "b", "a", "c")
    assert r.lset("l", 1, "B") is True
    assert r.linsert("l", "before", "c", "x") == 5
    assert r.linsert("l", "after", "none", "x") == -1
    assert r.lrem("l", -1, "a") == 1
    assert r.lrange("l", 0, -1) == ["a", "B", "x", "c"]
    assert r.ltrim("l", 1, -2) is True
    assert [r.lindex("l", i) for i in (0, 1, 2, -1)] == ["B", "x", None, "x"]
    assert r.object("encoding", "l") == "quicklist"
    assert r.type("l") == "list"
    with pytest.raises(redis.ResponseError, match="index out of range"):
        r.lset("l", 5, "x")
    with pytest.raises(redis.ResponseError, match="no such key"):
        r.lset("absent", 0, "x")


def test_lpos(r):
    r.rpush("l", *"abcabca")
    assert r.lpos("l", "a") == 0
    assert r.lpos("l", "a", rank=-1) == 6
    assert r.lpos("l", "a", count=0) == [0, 3, 6]
    assert r.lpos("l", "a", rank=2, count=1, maxlen=5) == [3]
    assert r.lpos("l", "z") is None
    assert r.lpos("l", "z", count=1) == []


def test_between_lists(r):
    r.rpush("{l}a", "1", "2", "3")
    assert r.lmove("{l}a", "{l}b", "LEFT", "RIGHT") == "1"
    assert r.rpoplpush("{l}a", "{l}b") == "3"
    assert r.lmpop(2, "{l}absent", "{l}b", direction="LEFT", count=9) == ["{l}b", ["3", "1"]]
    assert r.lmpop(1, "{l}b", direction="LEFT") is None
    with pytest.raises(redis.ResponseError, match="same slot"):
        r.lmove("a", "b", "LEFT", "LEFT")


def test_a_long_list_of_any_bytes(shared_ports):
    raw = redis.Redis(port=shared_ports[0])
    items = [bytes([n % 256]) * (n % 50) for n in range(5000)]
    raw.delete("long")
    for start in range(0, 5000, 500):
        raw.rpush("long", *items[start : start + 500])
    assert raw.lrange("long", 0, -1) == items
    assert raw.lrange("long", 2500, 2509) == items[2500:2510]
    assert raw.lpop("long", 2000) == items[:2000]
    assert raw.lrem("long", 0, b"") == sum(1 for item in items[2000:] if item == b"")
    assert raw.lrange("long", 0, -1) == [item for item in items[2000:] if item]
    raw.close()


def test_wrong_type(r):
    r.set("s", "text")
    for command in ("LPUSH s 1", "LPOP s", "LLEN s", "LRANGE s 0 1", "LINSERT s BEFORE a b", "SORT s"):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE|wrong kind of value"):
            r.execute_command(*command.split())


def test_sort(r):
    r.rpush("{s}l", "10", "9", "-1", "2.5")
    assert r.sort("{s}l") == ["-1", "2.5", "9", "10"]
    assert r.sort("{s}l", desc=True, start=0, num=2) == ["10", "9"]
    assert r.sort("{s}l", alpha=True) == ["-1", "10", "2.5", "9"]
    assert r.sort("{s}l", by="nosort", get="#") == ["10", "9", "-1", "2.5"]
    assert r.sort("{s}l", store="{s}d") == 4
    assert r.lrange("{s}d", 0, -1) == ["-1", "2.5", "9", "10"]
    assert r.sort_ro("{s}l") == ["-1", "2.5", "9", "10"]
    with pytest.raises(redis.ResponseError, match="can't be converted into double"):
        r.rpush("{s}l", "x") and r.sort("{s}l")
    with pytest.raises(redis.ResponseError, match="BY option of SORT denied in cluster mode"):
        r.sort("{s}l", by="w_*")
    with pytest.raises(redis.ResponseError, match="GET option of SORT denied in cluster mode"):
        r.sort("{s}l", get="w_*")


def test_sort_by_other_keys_in_a_single_keyspace(single):
    single.rpush("l", "1", "2", "3")
    single.mset({"w_1": "9", "w_2": "1", "w_3": "5", "o_1": "one", "o_3": "three"})
    assert single.sort("l", by="w_*") == ["2", "3", "1"]
    assert single.sort("l", by="w_*", get=["#", "o_*"]) == ["2", None, "3", "three", "1", "one"]
    assert single.sort("l", by="w_*", get="o_*", store="d") == 3
    assert single.lrange("d", 0, -1) == ["", "three", "one"]
