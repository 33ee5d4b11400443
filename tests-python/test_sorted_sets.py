"""Sorted sets and places as redis-py sends their commands, over RESP2 and RESP3."""

import pytest
import redis


def test_scores(r):
    assert r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}) == 3
    assert r.zadd("z", {"a": 3, "d": 0.1}, ch=True) == 2
    assert r.zadd("z", {"a": 9}, nx=True) == 0
    assert r.zadd("z", {"a": 2}, gt=True, ch=True) == 0
    assert r.zadd("z", {"a": 1}, incr=True) == 4
    assert r.zadd("z", {"x": 1}, xx=True, incr=True) is None
    assert r.zincrby("z", 0.2, "d") == 0.1 + 0.2
    assert r.zscore("z", "c") == float("inf")
    assert r.zscore("z", "none") is None
    assert r.zmscore("z", ["b", "none"]) == [2.5, None]
    assert (r.zrank("z", "b"), r.zrevrank("z", "b"), r.zrank("z", "none")) == (1, 2, None)
    assert r.zcard("z") == 4
    assert r.zrem("z", "a", "none") == 1
    assert r.type("z") == "zset"
    with pytest.raises(redis.ResponseError, match="not a valid float"):
        r.execute_command("ZADD", "z", "x", "a")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        r.get("z")


def test_ranges(r):
    r.zadd("z", {name: score for score, name in enumerate("abcdef")})
    pairs = lambda found: [(pair[0], pair[1]) for pair in found]  # noqa: E731
    assert r.zrange("z", 1, 2) == ["b", "c"]
    assert pairs(r.zrange("z", -2, -1, withscores=True)) == [("e", 4), ("f", 5)]
    assert r.zrange("z", 0, 1, desc=True) == ["f", "e"]
    assert r.zrange("z", "(1", 4, byscore=True, offset=1, num=2) == ["d", "e"]
    assert r.zrevrangebyscore("z", "+inf", 4) == ["f", "e"]
    assert pairs(r.zrangebyscore("z", "-inf", "(1", withscores=True)) == [("a", 0)]
    assert r.zcount("z", 1, "(3") == 2
    assert r.zrangestore("{z}d", "{z}s", 0, -1) == 0
    assert r.zremrangebyrank("z", 0, 0) == 1
    assert r.zremrangebyscore("z", 5, 9) == 1
    assert r.zrange("z", 0, -1) == ["b", "c", "d", "e"]
    r.zadd("l", dict.fromkeys("abcde", 0))
    assert r.zrangebylex("l", "[b", "(d") == ["b", "c"]
    assert r.zlexcount("l", "-", "+") == 5
    assert r.zremrangebylex("l", "(a", "+") == 4


def test_pops(r):
    r.zadd("z", {name: score for score, name in enumerate("abcdef")})
    assert [tuple(pair) for pair in r.zpopmin("z", 2)] == [("a", 0), ("b", 1)]
    assert [tuple(pair) for pair in r.zpopmax("z", 1)] == [("f", 5)]
    name, popped = r.zmpop(2, ["{z}none", "z"], min=True, count=5)
    assert name == "z" and [pair[0] for pair in popped] == ["c", "d", "e"]
    assert r.exists("z") == 0
    assert r.zpopmin("z") == []


@pytest.mark.parametrize("size", [10, 1000])
def test_walks_and_picks(r, size):
    scores = {f"m{i}": i / 2 for i in range(size)}
    r.zadd("z", scores)
    assert dict(r.zscan_iter("z", count=7)) == scores
    assert sorted(r.zrandmember("z", size)) == sorted(scores)
    assert len(r.zrandmember("z", -20)) == 20
    assert r.object("encoding", "z") == ("listpack" if size == 10 else "skiplist")


def test_several_in_one_slot(r):
    r.zadd("{s}a", {"x": 1, "y": 2})
    r.zadd("{s}b", {"y": 10, "z": 20})
    r.sadd("{s}set", "y")
    assert r.zunion(["{s}a", "{s}b"]) == ["x", "y", "z"]
    assert r.zinter(["{s}a", "{s}set"]) == ["y"]
    assert r.zdiff(["{s}a", "{s}b"]) == ["x"]
    assert r.zunionstore("{s}d", {"{s}a": 2, "{s}b": 1}, aggregate="MAX") == 3
    assert [tuple(p) for p in r.zrange("{s}d", 0, -1, withscores=True)] == [("x", 2), ("y", 10), ("z", 20)]
    assert r.zinterstore("{s}d", ["{s}a", "{s}b"]) == 1
    assert r.zdiffstore("{s}d", ["{s}a", "{s}a"]) == 0
    assert r.exists("{s}d") == 0
    assert r.zintercard(2, ["{s}a", "{s}b"]) == 1


def test_keys_that_are_counted_must_be_in_one_slot(r, single):
    with pytest.raises(redis.ResponseError, match="same slot"):
        r.zunion(["a", "b", "c", "d"])
    single.zadd("a", {"x": 1})
    assert single.zunionstore("b", ["a", "c"]) == 1
    assert single.zrangestore("c", "b", 0, -1) == 1


def test_places(r):
    r.geoadd("g", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"])
    assert r.geodist("g", "Palermo", "Catania", unit="km") == 166.2742
    assert r.geohash("g", "Palermo", "none") == ["sqc8b49rny0", None]
    assert r.geopos("g", "none", "Palermo")[0] is None
    assert tuple(r.geopos("g", "Palermo")[0]) == (13.361389338970184, 38.115556395496298)
    around = dict(longitude=15, latitude=37, radius=200, unit="km")
    assert r.geosearch("g", **around, sort="ASC") == ["Catania", "Palermo"]
    assert r.geosearch("g", **around, count=1) == ["Catania"]
    assert r.geosearch("g", member="Palermo", width=10, height=10, unit="km", withdist=True) == [["Palermo", 0.0]]
    assert r.georadius("g", 15, 37, 100, unit="km", withdist=True) == [["Catania", 56.4413]]
    r.geoadd("{g}1", [1, 1, "a"])
    assert r.geosearchstore("{g}2", "{g}1", longitude=1, latitude=1, radius=1, unit="km", storedist=True) == 1
    assert r.zscore("{g}2", "a") < 0.01
    with pytest.raises(redis.ResponseError, match="invalid longitude,latitude pair 200"):
        r.geoadd("g", [200, 0, "nowhere"])
