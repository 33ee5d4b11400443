"""Hashes and sets as redis-py sends their commands, over RESP2 and RESP3."""

import pytest
import redis


def test_fields(r):
    assert r.hset("h", mapping={"a": "1", "b": "2"}) == 2
    assert r.hset("h", "a", "3") == 0
    assert r.hsetnx("h", "a", "4") == 0
    assert r.hsetnx("h", "c", "5") == 1
    assert r.hget("h", "a") == "3"
    assert r.hget("h", "none") is None
    assert r.hmget("h", "a", "none", "c") == ["3", None, "5"]
    assert r.hgetall("h") == {"a": "3", "b": "2", "c": "5"}
    assert sorted(r.hkeys("h")) == ["a", "b", "c"]
    assert sorted(r.hvals("h")) == ["2", "3", "5"]
    assert r.hlen("h") == 3 and r.hstrlen("h", "a") == 1
    assert r.hexists("h", "a") and not r.hexists("h", "none")
    assert r.hdel("h", "a", "b", "none") == 2
    assert r.hdel("h", "c") == 1
    assert r.exists("h") == 0
    assert r.hgetall("h") == {}


def test_fields_that_are_numbers(r):
    assert r.hincrby("h", "n", 5) == 5
    assert r.hincrby("h", "n", -7) == -2
    assert r.hincrbyfloat("h", "f", 10.5) == 10.5
    assert r.hincrbyfloat("h", "f", -5000) == -4989.5
    r.hset("h", "text", "abc")
    with pytest.raises(redis.ResponseError, match="hash value is not an integer"):
        r.hincrby("h", "text", 1)
    with pytest.raises(redis.ResponseError, match="hash value is not a float"):
        r.hincrbyfloat("h", "text", 1)


def test_random_fields(r):
    pairs = {f"f{i}": str(i) for i in range(20)}
    r.hset("h", mapping=pairs)
    assert r.hrandfield("h") in pairs
    assert sorted(r.hrandfield("h", 100)) == sorted(pairs)
    assert len(r.hrandfield("h", -100)) == 100
    picked = r.hrandfield("h", 5, withvalues=True)
    flat = [x for part in picked for x in (part if isinstance(part, list) else [part])]
    assert len(flat) == 10
    assert all(pairs[field] == value for field, value in zip(flat[::2], flat[1::2]))
    assert r.hrandfield("none") is None


@pytest.mark.parametrize("size", [10, 1000])
def test_walks(r, size):
    pairs = {f"f{i}": str(i) for i in range(size)}
    r.hset("h", mapping=pairs)
    r.sadd("s", *pairs)
    assert dict(r.hscan_iter("h", count=7)) == pairs
    assert set(r.sscan_iter("s", count=7)) == set(pairs)
    assert dict(r.hscan_iter("h", match="f1*")) == {k: v for k, v in pairs.items() if k.startswith("f1")}


def test_members(r):
    assert r.sadd("s", "a", "b", "a") == 2
    assert r.sadd("s", "a") == 0
    assert r.scard("s") == 2
    assert r.sismember("s", "a") and not r.sismember("s", "x")
    assert r.smismember("s", ["a", "x", "b"]) == [1, 0, 1]
    assert set(r.smembers("s")) == {"a", "b"}
    assert r.srandmember("s") in {"a", "b"}
    assert sorted(r.srandmember("s", 5)) == ["a", "b"]
    assert len(r.srandmember("s", -5)) == 5
    assert r.srem("s", "a", "x") == 1
    assert r.spop("s") == "b"
    assert r.exists("s") == 0
    r.sadd("s", *range(1000))
    taken = set(r.spop("s", 900))
    assert len(taken) == 900 and r.scard("s") == 100
    assert taken.isdisjoint(r.smembers("s"))


def test_several_sets_in_one_slot(r):
    r.sadd("{t}a", 1, 2, 3)
    r.sadd("{t}b", 2, 3, 4)
    assert set(r.sunion("{t}a", "{t}b")) == {"1", "2", "3", "4"}
    assert set(r.sinter("{t}a", "{t}b")) == {"2", "3"}
    assert set(r.sdiff("{t}a", "{t}b")) == {"1"}
    assert r.sintercard(2, ["{t}a", "{t}b"], limit=1) == 1
    assert r.sunionstore("{t}c", "{t}a", "{t}b") == 4
    assert r.sinterstore("{t}c", "{t}a", "{t}b") == 2
    assert r.sdiffstore("{t}c", "{t}a", "{t}b") == 1
    assert set(r.smembers("{t}c")) == {"1"}
    assert r.smove("{t}a", "{t}b", "1") and not r.smove("{t}a", "{t}b", "1")
    assert r.sdiffstore("{t}c", "{t}c", "{t}b") == 0
    assert r.exists("{t}c") == 0


def test_several_sets_in_several_slots(r, single):
    with pytest.raises(redis.ResponseError, match="same slot"):
        r.sunion("a", "b", "c", "d")
    with pytest.raises(redis.ResponseError, match="same slot"):
        r.sintercard(4, ["a", "b", "c", "d"])
    single.sadd("a", 1)
    single.sadd("b", 2)
    assert set(single.sunion("a", "b")) == {"1", "2"}


def test_forms_and_kinds(r):
    r.sadd("s", *range(512))
    assert r.object("encoding", "s") == "intset"
    r.sadd("s", 512)
    assert r.object("encoding", "s") == "hashtable"
    r.hset("h", mapping={str(i): i for i in range(512)})
    assert r.object("encoding", "h") == "listpack"
    r.hset("h", "one more", "v")
    assert r.object("encoding", "h") == "hashtable"
    assert r.type("s") == "set" and r.type("h") == "hash"
    for wrong in (lambda: r.hget("s", "a"), lambda: r.sadd("h", "a"), lambda: r.get("h")):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            wrong()
