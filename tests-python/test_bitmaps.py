"""Strings as bits, as redis-py sends the commands, over RESP2 and RESP3."""

import os

import pytest
import redis


def test_single_bits(r):
    assert r.setbit("k", 7, 1) == 0
    assert r.setbit("k", 7, 1) == 1
    assert r.get("k") == "\x01"
    assert [r.getbit("k", at) for at in (6, 7, 8, 2**32 - 1)] == [0, 1, 0, 0]
    r.expire("k", 100)
    assert r.setbit("k", 1, 1) == 0
    assert 0 < r.ttl("k") <= 100
    with pytest.raises(redis.ResponseError, match="bit offset is not an integer or out of range"):
        r.setbit("k", 2**32, 1)
    with pytest.raises(redis.ResponseError, match="bit is not an integer or out of range"):
        r.execute_command("SETBIT", "k", 1, 2)


@pytest.mark.skipif("EVERSTORE_TEST_PORTS" in os.environ, reason="the limit is ours")
def test_the_largest_value_bounds_the_offset(r):
    last = (8 << 23) - 1
    assert r.setbit("large", last, 1) == 0
    assert r.getbit("large", last) == 1 and r.bitcount("large") == 1
    assert r.bitpos("large", 1) == last
    for command in (["SETBIT", "k", last + 1, 1], ["BITFIELD", "k", "SET", "u2", last, 1]):
        with pytest.raises(redis.ResponseError, match="8388609 bytes, at most 8388608"):
            r.execute_command(*command)
    assert r.exists("k") == 0


def test_bitcount_and_bitpos(r):
    r.set("k", "foobar")
    assert r.bitcount("k") == 26
    assert r.bitcount("k", 1, 1) == 6
    assert r.bitcount("k", 5, 30, "BIT") == 17
    assert r.bitcount("k", -2, -1) == 7
    assert r.bitpos("k", 1) == 1
    assert r.bitpos("k", 0, 1) == 8
    assert r.bitpos("k", 1, 8, -1, "BIT") == 9
    assert r.bitpos("absent", 0) == 0 and r.bitpos("absent", 1) == -1


def test_bitpos_looks_behind_the_value_only_without_an_end(r, shared_ports):
    with redis.Redis(port=shared_ports[0]) as raw:
        raw.set("k", b"\xff\xff")
    assert r.bitpos("k", 0) == 16
    assert r.bitpos("k", 0, 1) == 16
    assert r.bitpos("k", 0, 0, -1) == -1


def test_bitop(r):
    r.mset({"{b}1": "abc", "{b}2": "ab"})
    assert r.bitop("AND", "{b}d", "{b}1", "{b}2") == 3
    assert r.get("{b}d") == "ab\0"
    assert r.bitop("XOR", "{b}d", "{b}1", "{b}2") == 3
    assert r.get("{b}d") == "\0\0c"
    r.expire("{b}d", 100)
    assert r.bitop("OR", "{b}d", "{b}2", "{b}absent") == 2
    assert (r.get("{b}d"), r.ttl("{b}d")) == ("ab", -1)
    assert r.bitop("NOT", "{b}d", "{b}absent") == 0
    assert r.exists("{b}d") == 0
    with pytest.raises(redis.ResponseError, match="BITOP NOT must be called with a single source key"):
        r.bitop("NOT", "{b}d", "{b}1", "{b}2")


def test_bitop_over_slots_in_a_single_keyspace(single):
    single.mset({"a": "1", "b": "2"})
    assert single.bitop("OR", "c", "a", "b") == 1
    assert single.get("c") == "3"


def test_bitfield(r):
    assert r.bitfield("k").set("u8", "#1", 255).get("u4", 8).incrby("u8", "#1", 2).execute() == [0, 15, 1]
    assert r.bitfield("k", "FAIL").incrby("u2", 0, 3).incrby("u2", 0, 1).execute() == [3, None]
    assert r.bitfield("k", "SAT").incrby("i5", 16, 100).incrby("i5", 16, -100).execute() == [15, -16]
    assert r.bitfield_ro("k", "u8", "#1", [("u2", 0)]) == [1, 3]
    with pytest.raises(redis.ResponseError, match="BITFIELD_RO only supports the GET subcommand"):
        r.execute_command("BITFIELD_RO", "k", "SET", "u8", 0, 1)
    with pytest.raises(redis.ResponseError, match="Invalid bitfield type"):
        r.bitfield("k").get("u64", 0).execute()


def test_bits_are_seen_by_every_node(shared_ports):
    with redis.Redis(port=shared_ports[0]) as first:
        first.delete("seen")
        first.bitfield("seen").set("i64", 1, -2).execute()
    for port in shared_ports:
        with redis.Redis(port=port) as client:
            assert client.bitfield("seen").get("i64", 1).execute() == [-2]
            assert client.bitcount("seen") == 63
