"""DUMP and RESTORE: payloads of a real Redis 7.0 are taken, and values come back as they were."""

import pytest
import redis

# As Redis 7.0.15 dumps them.
PAYLOADS = {
    "s": (b'\x00\xc0\n\n\x00n\x9fWE\x0e\xaec\xbb', b"10"),
    "l": (b'\x12\x01\x02\x0f\x0f\x00\x00\x00\x03\x00\x81a\x02\x81b\x02\x03\x01\xff\n\x00\xdc\xa1\xe6}P\x05PH', [b"a", b"b", b"3"]),
    "i": (b'\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\n\x00\xa5\x02\\\xe2mnM\x1b', {b"1", b"2", b"3"}),
    "t": (b'\x02\x02\x01y\x01x\n\x00\x0c\xdfk=\xb30\xbc\xf0', {b"x", b"y"}),
    "h": (b'\x10\x13\x13\x00\x00\x00\x04\x00\x81f\x02\x81v\x02\x81g\x02\x81w\x02\xff\n\x00\xd9\xde\xc5\xc9\x16\x0f\xb25', {b"f": b"v", b"g": b"w"}),
    "z": (b'\x11\x15\x15\x00\x00\x00\x04\x00\x81b\x02\xdf\xfe\x02\x81a\x02\x831.5\x04\xff\n\x00l5\x9d\xf63\xd0\x8b]', [(b"b", -2.0), (b"a", 1.5)]),
}


@pytest.fixture
def raw(shared_ports):
    client = redis.Redis(port=shared_ports[1], db=9)
    client.flushdb()
    yield client
    client.close()


def content(client, key):
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"hash":
            return client.hgetall(key)
        case b"zset":
            return client.zrange(key, 0, -1, withscores=True)


def test_payloads_of_redis_are_taken(raw):
    for key, (payload, expected) in PAYLOADS.items():
        raw.restore(key, 0, payload)
        assert content(raw, key) == expected
        assert raw.pttl(key) == -1


def test_values_come_back_as_they_were(raw):
    raw.set("s", b"\x00\xff" * 500)
    raw.rpush("l", *[f"item {i}" for i in range(1000)])
    raw.sadd("t", *[f"member {i}" for i in range(1000)])
    raw.hset("h", mapping={f"field {i}": f"value {i}" for i in range(1000)})
    raw.zadd("z", {f"member {i}": i / 7 for i in range(1000)} | {"most": float("inf"), "least": float("-inf")})
    for key in ["s", "l", "t", "h", "z"]:
        payload = raw.dump(key)
        raw.restore(f"{key}2", 60_000, payload)
        assert content(raw, f"{key}2") == content(raw, key)
        assert 50_000 < raw.pttl(f"{key}2") <= 60_000
        with pytest.raises(redis.ResponseError, match="BUSYKEY"):
            raw.restore(key, 0, payload)
        raw.restore(key, 0, PAYLOADS["s"][0], replace=True)
        assert raw.get(key) == b"10"
    assert raw.dump("none") is None


def test_what_is_wrong_is_refused(raw):
    payload = PAYLOADS["l"][0]
    for bad in [b"", payload[:-1], payload[:-1] + bytes([payload[-1] ^ 1]), b"x" * 30]:
        with pytest.raises(redis.ResponseError, match="DUMP payload version or checksum are wrong"):
            raw.restore("k", 0, bad)
    with pytest.raises(redis.ResponseError, match="Invalid TTL value, must be >= 0"):
        raw.restore("k", -1, payload)
    with pytest.raises(redis.ResponseError, match="syntax error"):
        raw.execute_command("RESTORE", "k", 0, payload, "OOPS")
    with pytest.raises(redis.ResponseError, match="Invalid FREQ value"):
        raw.execute_command("RESTORE", "k", 0, payload, "FREQ", 256)
    raw.execute_command("RESTORE", "k", 1, payload, "ABSTTL")
    assert not raw.exists("k")
