"""The string commands as redis-py sends them, over RESP2 and RESP3."""

import time

import pytest
import redis


def test_set_and_get(r):
    assert r.set("k", "v") is True
    assert r.get("k") == "v"
    assert r.get("absent") is None
    assert r.getdel("k") == "v"
    assert r.exists("k") == 0


def test_binary_safe(r, shared_ports):
    raw = redis.Redis(port=shared_ports[0], decode_responses=False)
    value = bytes(range(256)) * 10
    raw.set(b"bin\r\n\x00key", value)
    assert raw.get(b"bin\r\n\x00key") == value
    assert raw.strlen(b"bin\r\n\x00key") == len(value)


@pytest.mark.parametrize("size", [0, 1, 1024, 64 * 1024, 1 << 20, 8 << 20])
def test_value_sizes(r, size):
    value = "v" * size
    r.set("size", value)
    assert r.get("size") == value


def test_set_conditions(r):
    assert r.set("k", "1", xx=True) is None
    assert r.set("k", "1", nx=True) is True
    assert r.set("k", "2", nx=True) is None
    assert r.set("k", "3", xx=True) is True
    assert r.set("k", "4", get=True) == "3"
    assert r.get("k") == "4"
    with pytest.raises(redis.ResponseError, match="syntax error"):
        r.execute_command("SET", "k", "v", "NX", "XX")


def test_set_expiry(r):
    r.set("a", "1", ex=100)
    assert 98 <= r.ttl("a") <= 100
    r.set("a", "2", px=100_000)
    assert 98_000 <= r.pttl("a") <= 100_000
    r.set("a", "3", keepttl=True)
    assert r.pttl("a") > 0
    r.set("a", "4")
    assert r.ttl("a") == -1
    r.set("a", "5", exat=int(time.time()) + 50)
    assert 45 <= r.ttl("a") <= 50
    r.set("a", "6", pxat=int(time.time() * 1000) + 50_000)
    assert 45_000 <= r.pttl("a") <= 50_000
    with pytest.raises(redis.ResponseError, match="invalid expire time in 'set' command"):
        r.execute_command("SET", "a", "1", "EX", "0")


def test_expired_keys_are_gone(r):
    r.set("short", "1", px=50)
    deadline = time.monotonic() + 10
    while r.get("short") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert r.exists("short") == 0


def test_getex(r):
    r.set("k", "v")
    assert r.getex("k", ex=100) == "v"
    assert r.ttl("k") > 0
    assert r.getex("k", persist=True) == "v"
    assert r.ttl("k") == -1


def test_numbers(r):
    assert r.incr("n") == 1
    assert r.incrby("n", 41) == 42
    assert r.decr("n") == 41
    assert r.decrby("n", 40) == 1
    assert r.incrbyfloat("f", "10.5") == 10.5
    assert r.incrbyfloat("f", "-5e3") == -4989.5
    r.set("text", "abc")
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        r.incr("text")
    r.set("big", str(2**63 - 1))
    with pytest.raises(redis.ResponseError, match="increment or decrement would overflow"):
        r.incr("big")
    with pytest.raises(redis.ResponseError, match="value is not a valid float"):
        r.execute_command("INCRBYFLOAT", "text", "1")


def test_append_and_ranges(r):
    assert r.append("k", "Hello ") == 6
    assert r.append("k", "World") == 11
    assert r.strlen("k") == 11
    assert r.getrange("k", 0, 4) == "Hello"
    assert r.getrange("k", -5, -1) == "World"
    assert r.getrange("k", 20, 30) == ""
    assert r.substr("k", 0, 4) == "Hello"
    assert r.setrange("k", 6, "Redis") == 11
    assert r.get("k") == "Hello Redis"
    assert r.setrange("pad", 3, "x") == 4
    assert r.get("pad") == "\x00\x00\x00x"


def test_multi_key_reads_and_writes(r):
    pairs = {f"m:{i}": str(i) for i in range(100)}
    assert r.mset(pairs) is True
    assert r.mget(list(pairs)) == list(pairs.values())
    assert r.mget("m:1", "absent", "m:2") == ["1", None, "2"]
    assert r.exists(*pairs) == 100
    assert r.touch(*pairs, "absent") == 100
    assert r.delete(*list(pairs)[:50]) == 50
    assert r.unlink(*pairs) == 50


def test_msetnx_needs_one_slot(r):
    assert r.msetnx({"{t}a": "1", "{t}b": "2"}) is True
    assert r.msetnx({"{t}b": "9", "{t}c": "3"}) is False
    assert r.get("{t}c") is None


def test_older_commands(r):
    assert r.setex("a", 100, "1") is True
    assert r.psetex("b", 100_000, "2") is True
    assert r.setnx("c", "3") is True
    assert r.setnx("c", "4") is False
    assert r.getset("c", "5") == "3"
    assert 0 < r.ttl("a") <= 100 and 0 < r.ttl("b") <= 100


def test_lcs(r):
    r.mset({"{l}1": "ohmytext", "{l}2": "mynewtext"})
    assert r.lcs("{l}1", "{l}2") == "mytext"
    assert r.lcs("{l}1", "{l}2", len=True) == 6
    found = r.execute_command("LCS", "{l}1", "{l}2", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN")
    flat = found if isinstance(found, list) else [x for pair in found.items() for x in pair]
    assert flat == ["matches", [[[4, 7], [5, 8], 4]], "len", 6]


def test_wrong_number_of_arguments(r):
    with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'get' command"):
        r.execute_command("GET")
    with pytest.raises(redis.ResponseError, match="unknown command 'NONSENSE'"):
        r.execute_command("NONSENSE", "a")
