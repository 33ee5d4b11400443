"""What the test suites of other projects do to a node before and between their tests."""

import time

import pytest
import redis

from harness.cluster import connect, wait_for


def words(client, *command):
    return client.execute_command(*command)


def test_every_option_can_be_set_to_what_it_is(r):
    before = r.config_get("*")
    assert len(before) > 200
    for name, value in before.items():
        if name != "requirepass":  # Setting it to nothing is how it is switched off.
            assert r.config_set(name, value) is True, name
    assert r.config_get("*") == before


def test_options_of_redis_are_kept_under_both_names(r):
    before = r.config_get("list-max-listpack-size")["list-max-listpack-size"]
    assert r.config_set("list-max-ziplist-size", 5) is True
    assert r.config_get("list-max-*") == {"list-max-listpack-size": "5", "list-max-ziplist-size": "5"}
    assert r.config_set("list-max-listpack-size", before) is True
    with pytest.raises(redis.ResponseError, match="always 'noeviction' here; a keyspace is made a cache by"):
        r.config_set("maxmemory-policy", "allkeys-lru")


def test_what_asks_for_no_more_than_every_write_gets_can_be_set(r):
    before = r.config_get("save", "appendonly", "appendfsync", "hash-max-listpack-entries")
    for name, value in {"save": "3600 1", "appendonly": "no", "appendfsync": "everysec"}.items():
        assert r.config_set(name, value) is True
        assert r.config_get(name) == {name: value}
    assert r.config_set("hash-max-ziplist-entries", 1_000_000_000) is True
    assert r.config_get("hash-max-listpack-entries") == {"hash-max-listpack-entries": "1000000000"}
    for name, value in before.items():
        assert r.config_set(name, value) is True


def test_commands_are_counted_with_what_became_of_them(r):
    r.set("text", "a")
    r.config_resetstat()
    for command in (["LPUSH", "text", "x"], ["LPUSH", "text"], ["GET", "text"], ["GET", "text"]):
        try:
            words(r, *command)
        except redis.ResponseError:
            pass
    counted = r.info("commandstats")
    lpush, get = counted["cmdstat_lpush"], counted["cmdstat_get"]
    assert (lpush["calls"], lpush["rejected_calls"], lpush["failed_calls"]) == (1, 1, 1)
    assert (get["calls"], get["rejected_calls"], get["failed_calls"]) == (2, 0, 0)
    histogram = words(r, "LATENCY", "HISTOGRAM", "get")
    assert len(histogram) in (1, 2) and "get" in histogram  # A list or a dictionary, by the version of the client.
    r.config_resetstat()


def test_a_command_that_waited_is_in_the_slow_log_once_it_was_served(single, shared_ports):
    """Of its client's node; and in that of no other, whoever leads the shard and however often it was asked."""
    nodes = [connect(port, db=9) for port in shared_ports]

    def noted():
        return [sum("BLPOP" in str(entry) for entry in node.slowlog_get(100)) for node in nodes]

    try:
        for node in nodes:
            node.config_set("slowlog-log-slower-than", 0)
        for at, node in enumerate(nodes):
            for other in nodes:
                other.slowlog_reset()
            with connect(shared_ports[at], db=9).client() as waiting:
                waiting.connection.send_command("BLPOP", "waited", "0")
                wait_for(lambda: node.info("clients")["blocked_clients"] == 1, "it waits", 10)
                # The node asks the leader anew once a second.
                time.sleep(1.5)
                assert noted() == [0, 0, 0]
                single.rpush("waited", "x")
                assert waiting.connection.read_response() in (["waited", "x"], [b"waited", b"x"])
            assert noted() == [int(other is node) for other in nodes]
    finally:
        for node in nodes:
            node.config_set("slowlog-log-slower-than", 10_000)
            node.close()


def test_one_byte_of_memory_refuses_what_needs_some(r):
    before = r.config_get("maxmemory")["maxmemory"]
    r.set("there", "a")
    assert r.config_set("maxmemory", 1) is True
    try:
        with pytest.raises(redis.ResponseError, match="used memory > 'maxmemory'"):
            words(r, "SET", "there", "b")
        assert r.get("there") == "a"
    finally:
        r.config_set("maxmemory", before)
    assert r.set("there", "c") is True


def test_what_begins_and_ends_a_suite_is_answered(r):
    assert words(r, "FUNCTION", "FLUSH") in ("OK", True)
    assert words(r, "SCRIPT", "FLUSH") in ("OK", True)
    assert words(r, "MODULE", "LIST") == []
    assert words(r, "REPLICAOF", "NO", "ONE") in ("OK", True)
    assert words(r, "DEBUG", "SET-ACTIVE-EXPIRE", "1") == "OK"
    assert words(r, "DEBUG", "QUICKLIST-PACKED-THRESHOLD", "100b") == "OK"
    assert "client|id" in {str(name).lower() for name in r.command_list()}


def test_saving_moves_the_time_of_the_last_save(r):
    r.set("kept", "v")
    before = words(r, "LASTSAVE")
    time.sleep(1.1)
    assert words(r, "BGSAVE") in (True, "Background saving started")
    wait_for(lambda: words(r, "LASTSAVE") != before, "a checkpoint", 20)
    wait_for(lambda: r.info("persistence")["rdb_bgsave_in_progress"] == 0, "all are written", 20)
    assert words(r, "SAVE") in (True, "OK")
    assert words(r, "DEBUG", "RELOAD") == "OK"
    assert r.get("kept") == "v"


def test_slow_commands_are_kept_where_they_were_asked_for(shared_ports):
    for port in shared_ports:
        client = connect(port)
        assert client.config_set("slowlog-log-slower-than", 0) is True
        try:
            client.slowlog_reset()
            client.set("slow:a", "b")
            words(client, "HELLO", "2", "AUTH", "default", "secret")
            shown = [words(client, "SLOWLOG", "GET", "-1")][0]
        finally:
            client.config_set("slowlog-log-slower-than", 10_000)
        texts = [str(entry) for entry in shown]
        assert any("slow:a" in text for text in texts), texts
        assert not any("secret" in text for text in texts)
        client.close()


def test_events_of_latency_begin_at_their_threshold(r):
    assert r.config_set("latency-monitor-threshold", 20) is True
    try:
        words(r, "DEBUG", "SLEEP", "0.03")
        assert [event[0] for event in words(r, "LATENCY", "LATEST")] == ["command"]
    finally:
        r.config_set("latency-monitor-threshold", 0)
        assert words(r, "LATENCY", "RESET") == 1


def test_equal_values_have_equal_digests(single):
    single.sadd("a", 1, 2, 3)
    single.sadd("b", 3, 2, 1)
    single.copy("a", "c")
    digests = words(single, "DEBUG", "DIGEST-VALUE", "a", "b", "c", "none")
    assert len(set(digests[:3])) == 1 and digests[3] == "0" * 40
    assert "encoding:intset" in words(single, "DEBUG", "OBJECT", "a")


def test_errors_are_counted_by_kind(r):
    r.config_resetstat()
    r.set("text", "a")
    for command in (["INCR", "text"], ["LPUSH", "text", "x"], ["NOPE"]):
        with pytest.raises(redis.ResponseError):
            words(r, *command)
    errors = r.info("errorstats")
    assert errors["errorstat_ERR"]["count"] >= 2 and errors["errorstat_WRONGTYPE"]["count"] >= 1


def test_a_monitor_is_told_what_clients_of_its_node_do(shared_ports):
    watched, other = connect(shared_ports[0], db=9), connect(shared_ports[0])
    watched.ping()
    with other.monitor() as monitor:
        watched.set("seen", 'a "b"')
        pipeline = watched.pipeline()
        pipeline.incr("one").incr("two").execute()
        watched.config_set("slowlog-max-len", 128)
        words(watched, "HELLO", "2", "AUTH", "default", "secret")
        watched.get("last")
        seen = []
        while not seen or "last" not in seen[-1]["command"]:
            seen.append(monitor.next_command())
    commands = [entry["command"] for entry in seen]
    names = [command.split()[0] for command in commands]
    assert names == ["SET", "MULTI", "INCRBY", "INCRBY", "EXEC", "HELLO", "GET"]
    assert "secret" not in " ".join(commands) and {entry["db"] for entry in seen} == {9}
    watched.close()
    other.close()
