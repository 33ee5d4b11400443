"""The key commands as redis-py sends them."""

import time

import pytest
import redis


def test_type_and_existence(r):
    r.set("k", "v")
    assert r.type("k") == "string"
    assert r.type("absent") == "none"
    assert r.exists("k", "k", "absent") == 2


def test_expiry_family(r):
    r.set("k", "v")
    assert r.ttl("k") == -1 and r.pttl("k") == -1 and r.ttl("absent") == -2
    assert r.expiretime("k") == -1 and r.expiretime("absent") == -2
    assert r.expire("k", 100) is True
    assert r.expire("absent", 100) is False
    assert 0 < r.ttl("k") <= 100
    at = int(time.time()) + 1000
    assert r.expireat("k", at) is True
    assert r.expiretime("k") == at
    assert r.pexpireat("k", at * 1000 + 7) is True
    assert r.pexpiretime("k") == at * 1000 + 7
    assert r.pexpire("k", 5000) is True
    assert r.persist("k") is True
    assert r.persist("k") is False
    assert r.expire("k", -1) is True
    assert r.exists("k") == 0


def test_expire_conditions(r):
    r.set("k", "v")
    assert r.expire("k", 100, xx=True) is False
    assert r.expire("k", 100, gt=True) is False
    assert r.expire("k", 100, nx=True) is True
    assert r.expire("k", 200, nx=True) is False
    assert r.expire("k", 50, gt=True) is False
    assert r.expire("k", 200, gt=True) is True
    assert r.expire("k", 300, lt=True) is False
    assert r.expire("k", 20, lt=True) is True
    with pytest.raises(redis.ResponseError, match="NX and XX, GT or LT options at the same time"):
        r.execute_command("EXPIRE", "k", "1", "NX", "XX")


def test_rename_and_copy_within_a_slot(r):
    r.set("{t}a", "1", ex=100)
    assert r.rename("{t}a", "{t}b") is True
    assert r.get("{t}b") == "1" and r.exists("{t}a") == 0
    assert 0 < r.ttl("{t}b") <= 100
    r.set("{t}c", "2")
    assert r.renamenx("{t}b", "{t}c") is False
    assert r.renamenx("{t}b", "{t}d") is True
    assert r.copy("{t}d", "{t}e") is True
    assert r.copy("{t}d", "{t}c") is False
    assert r.copy("{t}d", "{t}c", replace=True) is True
    assert r.get("{t}c") == "1"
    with pytest.raises(redis.ResponseError, match="no such key"):
        r.rename("{t}absent", "{t}x")


def test_keys_and_scan_find_everything_once(r):
    wanted = {f"scan:{i}" for i in range(1000)}
    r.mset(dict.fromkeys(wanted, "1"))
    r.set("other", "1")
    assert set(r.keys("scan:*")) == wanted
    found = list(r.scan_iter(match="scan:*", count=37))
    assert set(found) == wanted
    assert len(found) == len(wanted)
    assert r.keys("scan:99?") and set(r.keys("scan:99[0-4]")) == {f"scan:99{i}" for i in range(5)}
    assert list(r.scan_iter(_type="hash")) == []
    assert r.dbsize() == 1001


def test_scan_is_complete_under_change(r):
    stable = {f"stable:{i}" for i in range(500)}
    r.mset(dict.fromkeys(stable, "1"))
    found, cursor, turn = set(), 0, 0
    while True:
        cursor, part = r.scan(cursor, count=20)
        found.update(part)
        r.mset({f"new:{turn}:{i}": "1" for i in range(20)})
        r.delete(*[f"new:{turn - 1}:{i}" for i in range(20)])
        turn += 1
        if cursor == 0:
            break
        assert turn < 2000, "the scan does not end"
    assert stable <= found


def test_randomkey_dbsize_flush(r):
    assert r.randomkey() is None
    assert r.dbsize() == 0
    r.mset({f"k{i}": "1" for i in range(20)})
    assert r.randomkey().startswith("k")
    assert r.dbsize() == 20
    assert r.flushdb() is True
    assert r.dbsize() == 0


def test_object(r):
    r.set("n", "12345")
    r.set("s", "abc")
    r.set("l", "x" * 100)
    assert r.object("encoding", "n") == "int"
    assert r.object("encoding", "s") == "embstr"
    assert r.object("encoding", "l") == "raw"
    assert r.object("refcount", "l") == 1
    assert r.object("idletime", "s") >= 0
    assert r.object("encoding", "absent") is None
    assert any("ENCODING" in line for line in r.execute_command("OBJECT", "HELP"))


def test_keyspaces_are_separate(r, single):
    r.set("k", "spread")
    single.set("k", "single")
    assert (r.get("k"), single.get("k")) == ("spread", "single")
    single.flushdb()
    assert r.get("k") == "spread"
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        r.execute_command("SELECT", "16")


def test_a_single_keyspace_takes_every_multi_key_command(single):
    assert single.msetnx({"a": "1", "b": "2"}) is True
    assert single.rename("a", "c") is True
    assert single.copy("c", "d") is True
    single.mset({"x": "ohmytext", "y": "mynewtext"})
    assert single.lcs("x", "y") == "mytext"
    assert sorted(single.keys("*")) == ["b", "c", "d", "x", "y"]
