"""Keys of every type: making them, and reading what they hold."""

import time

import redis


def content(client: redis.Redis, key: bytes):
    """What a key holds, without the order of what has none, and when it expires."""
    return _held(client, [key])[key]


def contents(client: redis.Redis) -> dict:
    """All keys of a keyspace."""
    keys, out = list(client.scan_iter(count=1000)), {}
    for at in range(0, len(keys), 500):
        out |= _held(client, keys[at : at + 500])
    return out


def _held(client: redis.Redis, keys: list[bytes]) -> dict:
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.type(key).pexpiretime(key)
    about = pipe.execute()
    kinds, expiries = about[::2], about[1::2]
    read = {
        b"string": pipe.get,
        b"list": lambda key: pipe.lrange(key, 0, -1),
        b"set": pipe.smembers,
        b"hash": pipe.hgetall,
        b"zset": lambda key: pipe.zrange(key, 0, -1, withscores=True),
        b"stream": pipe.xrange,
    }
    for key, kind in zip(keys, kinds):
        read[kind](key)
    unordered = {b"set": sorted, b"hash": lambda pairs: sorted(pairs.items())}
    values = [unordered.get(kind, lambda value: value)(value) for kind, value in zip(kinds, pipe.execute())]
    return {key: told for key, *told in zip(keys, kinds, values, expiries)}


def fill(client: redis.Redis, sized: int = 3000):
    """Every type, small and large, with names and values of any bytes, some of which expire."""
    soon = int(time.time() * 1000) + 3_600_000
    pipe = client.pipeline(transaction=False)
    for n in range(sized):
        pipe.set(f"string:{n}", f"value {n}" * (n % 7))
    pipe.set(b"bytes \x00\xff\r\n\"", bytes(range(256)))
    pipe.set(b"", b"")
    pipe.set("number", -1234567890123)
    pipe.set("big", b"0123456789abcdef" * 50_000)
    pipe.set("incompressible", bytes((i * i * 7919 >> 5) & 255 for i in range(1_500_000)))
    pipe.set("expiring", "v", pxat=soon)
    pipe.setbit("bits", 99_999, 1)
    pipe.pfadd("visitors", *range(5000))
    pipe.rpush("list", *(f"item {i}" for i in range(100)), b"\x00", "")
    pipe.rpush("list:large", *(f"item {i} " * 20 for i in range(8000)))
    pipe.sadd("set", "a", b"\xff", "3")
    pipe.sadd("set:integers", *range(-200, 200))
    pipe.sadd("set:large", *(f"member {i}" for i in range(20_000)))
    pipe.hset("hash", mapping={"f": "v", b"\x00": b"\xff", "n": 1})
    pipe.hset("hash:large", mapping={f"field {i}": "x" * (i % 90) for i in range(20_000)})
    pipe.zadd("sorted", {"a": 1, "b": -2.5, "c": float("inf"), "d": float("-inf"), "e": 1e300})
    pipe.zadd("sorted:large", {f"member {i}": i / 7 for i in range(20_000)})
    pipe.geoadd("places", (13.361389, 38.115556, "Palermo"))
    for name in ("list", "hash:large", "sorted"):
        pipe.pexpireat(name, soon + len(name))
    pipe.execute()
