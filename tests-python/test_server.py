"""Connection and server commands, pipelines, inline commands and protocol errors."""

import socket
import time

import pytest
import redis

from harness.cluster import connect, wait_for


def raw(port: int, request: bytes, until: bytes | None = None) -> bytes:
    """Sends bytes and reads until `until` or the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(request)
        got = b""
        while until is None or until not in got:
            part = link.recv(65536)
            if not part:
                break
            got += part
        return got


def test_a_client_that_sends_no_more_gets_all_replies(shared_ports):
    with socket.create_connection(("127.0.0.1", shared_ports[0]), timeout=30) as link:
        link.sendall(b"SET half-closed 1\r\n" * 500 + b"DBSIZE\r\nINCR half-closed\r\n")
        link.shutdown(socket.SHUT_WR)
        got = b""
        while part := link.recv(65536):
            got += part
    lines = got.split(b"\r\n")
    assert lines[:500] == [b"+OK"] * 500
    assert lines[-2:] == [b":2", b""], lines[500:]


def test_ping_echo_select_quit(r, shared_ports):
    assert r.ping() is True
    assert r.echo("hello") == "hello"
    assert raw(shared_ports[0], b"*1\r\n$4\r\nQUIT\r\n") == b"+OK\r\n"


def test_inline_commands(shared_ports):
    assert raw(shared_ports[0], b"PING\r\n", b"\r\n") == b"+PONG\r\n"
    assert raw(shared_ports[0], b'ECHO "a b"\r\n', b"a b\r\n") == b"$3\r\na b\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "reply"),
    [
        (b"*1\r\nGET\r\n", b"-ERR Protocol error: expected '$', got 'G'\r\n"),
        (b"*abc\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b'ECHO "a\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ],
)
def test_protocol_errors_end_the_connection(shared_ports, request_bytes, reply):
    assert raw(shared_ports[0], request_bytes) == reply


def test_hello(shared_ports):
    with connect(shared_ports[0], protocol=2) as client:
        old = client.execute_command("HELLO", "2")
        assert dict(zip(old[::2], old[1::2], strict=True))["proto"] == 2
    with connect(shared_ports[0], protocol=3) as client:
        hello = client.execute_command("HELLO", "3")
        assert hello["proto"] == 3 and hello["version"].startswith("7.0.")
        with pytest.raises(redis.ResponseError, match="NOPROTO"):
            client.execute_command("HELLO", "9")


def test_client_family(r, shared_ports):
    assert r.client_id() > 0
    assert r.client_setname("tester") is True
    assert r.client_getname() == "tester"
    assert any(c["name"] == "tester" for c in r.client_list())
    assert r.client_info()["name"] == "tester"
    with socket.create_connection(("127.0.0.1", shared_ports[-1]), timeout=10) as victim:
        victim.sendall(b"CLIENT ID\r\n")
        victim_id = victim.recv(100).strip(b":\r\n").decode()
        assert r.client_kill_filter(_id=victim_id) == 1
        assert victim.recv(100) == b"", "the killed connection is closed"
    assert r.execute_command("CLIENT", "NO-EVICT", "on") in ("OK", True)


def test_client_reply_off(shared_ports):
    request = b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\nCLIENT REPLY SKIP\r\nPING\r\nECHO x\r\n"
    assert raw(shared_ports[0], request, b"x\r\n") == b"+OK\r\n+PONG\r\n$1\r\nx\r\n"


def test_reset_forgets_the_connection_state(shared_ports):
    with connect(shared_ports[0], db=3) as client:
        client.set("only-in-3", "1")
        assert client.execute_command("RESET") == "RESET"
        assert client.execute_command("GET", "only-in-3") is None
    with connect(shared_ports[0], db=3) as client:
        client.delete("only-in-3")


def test_command_family(r):
    assert r.command_count() > 50
    assert "get" in {name.lower() for name in raw_text(r, "COMMAND", "LIST")}
    assert raw_text(r, "COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2") == ["a", "b"]
    described = raw_text(r, "COMMAND", "INFO", "get")
    assert described[0][:2] == ["get", 2]


def raw_text(client, *command):
    """The reply as it came, without the conversions of redis-py."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def test_config(r):
    assert r.config_get("maxclients")["maxclients"].isdigit()
    before = r.config_get("slowlog-max-len")["slowlog-max-len"]
    assert r.config_set("slowlog-max-len", "77") is True
    assert r.config_get("slowlog-max-len") == {"slowlog-max-len": "77"}
    assert r.config_set("slowlog-max-len", before) is True
    assert r.config_resetstat() is True
    with pytest.raises(redis.ResponseError):
        r.config_set("no-such-parameter", "1")


def test_info(r):
    info = r.info()
    assert info["redis_version"].startswith("7.0.")
    for field in ("uptime_in_seconds", "connected_clients", "used_memory", "total_commands_processed"):
        assert field in info, field
    r.set("k", "v")
    # Counted in this node's replicas, which may hear of the write a moment later; DBSIZE asks the leaders.
    wait_for(lambda: r.info("keyspace").get("db0", {}).get("keys", 0) >= 1, "it is counted", 10)
    assert r.info("replication")["role"] in ("master", "slave")


def test_time_lastsave_role(r):
    seconds, micros = r.time()
    assert abs(seconds - time.time()) < 60 and 0 <= micros < 1_000_000
    assert r.execute_command("LASTSAVE") is not None
    assert r.role()[0] in ("master", "slave", b"master")


def test_debug_sleep_slowlog_latency_memory(r):
    assert r.execute_command("DEBUG", "SLEEP", "0") in ("OK", True)
    assert r.slowlog_len() >= 0
    assert r.slowlog_reset() is True
    assert r.latency_latest() == []
    r.set("k", "v" * 100)
    assert r.memory_usage("k") >= 100


def test_pipelines(r):
    pipeline = r.pipeline(transaction=False)
    for i in range(1000):
        pipeline.set(f"p:{i}", i).get(f"p:{i}")
    pipeline.execute_command("GET")
    replies = pipeline.execute(raise_on_error=False)
    assert replies[:-1] == [x for i in range(1000) for x in (True, str(i))]
    assert isinstance(replies[-1], redis.ResponseError)


def test_many_connections(shared_ports):
    clients = [connect(shared_ports[i % len(shared_ports)]) for i in range(200)]
    assert all(client.ping() for client in clients)
    for client in clients:
        client.close()


def test_a_split_request_is_one_request(shared_ports):
    with socket.create_connection(("127.0.0.1", shared_ports[0]), timeout=10) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"*3\r\n$3\r\nSET\r\n$5\r\nsplit\r\n$2\r\nab\r\n":
            link.sendall(bytes([byte]))
        assert link.recv(100) == b"+OK\r\n"
