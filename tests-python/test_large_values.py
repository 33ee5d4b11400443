"""Values in chunks: put, get and rm of files, through the loss of a node; what other clients see of them."""

import hashlib
import os
import subprocess
import threading
import time

import pytest
import redis

from harness.cluster import wait_for

MIB = 1 << 20


def run(program, *arguments, patience: float = 200, **options) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERSTORE_")}
    command = [program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=patience, env=clean, **options)


@pytest.fixture
def cluster(new_cluster):
    """All members have said that they understand large values."""
    cluster = new_cluster().start()
    with cluster.nodes[0].client() as client:
        for shard_key in [f"k{n}" for n in range(100)]:
            wait_for(lambda: client.execute_command("LARGE", "BEGIN", shard_key, 0, "LEASE", 1000), "they are known")
    return cluster


def nodes(cluster) -> list[str]:
    return ["--node", ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)]


def info(node, field: str) -> int:
    with node.client() as client:
        return client.info("everstore")[field]


def no_chunks(cluster):
    """Whether no replica of a running node has a chunk or knows an upload."""
    return all(info(n, "large_chunks") == 0 and info(n, "large_values") == 0 for n in cluster.running())


def random_file(path, size: int):
    path.write_bytes(os.urandom(size))
    return path


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def crc32c(data: bytes) -> str:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return f"{crc ^ 0xFFFFFFFF:08x}"


def test_a_file_survives_the_loss_of_a_node_half_way(everstore, cluster, tmp_path):
    file = random_file(tmp_path / "in", 64 * MIB + 12345)
    victim = cluster.busiest()
    others = [node for node in cluster.nodes if node is not victim]
    done = []
    upload = threading.Thread(target=lambda: done.append(run(everstore, "put", file, "big", *nodes(cluster))))
    upload.start()
    wait_for(lambda: info(others[0], "large_chunks") >= 15, "some chunks are there")
    victim.kill()
    upload.join()
    assert done[0].returncode == 0, done
    out = tmp_path / "out"
    got = run(everstore, "get", "big", out, *nodes(cluster))
    assert got.returncode == 0, got
    assert digest(out) == digest(file)
    assert done[0].stdout == got.stdout and got.stdout.startswith(b"OK 67121209 bytes, checksum ")
    cluster.restart(victim)
    cluster.wait_healthy()
    with victim.client(decode_responses=False) as client:
        data = file.read_bytes()
        assert client.strlen("big") == len(data)
        assert client.getrange("big", 5 * MIB - 10, 7 * MIB + 9) == data[5 * MIB - 10 : 7 * MIB + 10]
        assert client.get("big") == data
        assert client.type("big") == b"string" and client.exists("big") == 1
    removed = run(everstore, "rm", "big", *nodes(cluster))
    assert (removed.returncode, removed.stdout) == (0, b"1 of 1 removed\n")
    wait_for(lambda: no_chunks(cluster), "the chunks are removed", patience=150)


def test_small_empty_and_piped_values(everstore, cluster, tmp_path):
    for size in [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB]:
        data, out = os.urandom(size), tmp_path / f"out-{size}"
        for source in ["-", tmp_path / f"in-{size}"]:
            if source != "-":
                source.write_bytes(data)
            done = run(everstore, "put", source, "k", "--keyspace", 3, *nodes(cluster), input=data)
            assert done.returncode == 0, (size, done)
            assert run(everstore, "get", "k", out, "--force", "--keyspace", 3, *nodes(cluster)).returncode == 0
            assert out.read_bytes() == data, size
            assert run(everstore, "get", "k", "-", "--keyspace", 3, *nodes(cluster)).stdout == data
    absent = run(everstore, "get", "nokey", tmp_path / "no", *nodes(cluster))
    assert absent.returncode == 1 and b"there is no key 'nokey'" in absent.stderr, absent
    assert not (tmp_path / "no").exists()
    assert run(everstore, "rm", "k", "nokey", "--keyspace", 3, *nodes(cluster)).stdout == b"1 of 2 removed\n"


def test_what_is_given_up_flushed_replaced_or_expired_is_removed(everstore, cluster, tmp_path):
    file = random_file(tmp_path / "in", 2 * MIB)
    for key in ["flushed", "replaced", "deleted"]:
        assert run(everstore, "put", file, key, *nodes(cluster)).returncode == 0
    assert run(everstore, "put", file, "expires", "--expire", 2, *nodes(cluster)).returncode == 0
    with cluster.nodes[1].client() as client:
        # An upload whose client goes away.
        upload, until, chunk = client.execute_command("LARGE", "BEGIN", "k", 10 * MIB, "LEASE", 1000)
        assert chunk == MIB
        data = b"x" * 1000
        write = ["LARGE", "WRITE", upload, 7, until, crc32c(data), data]
        assert client.execute_command(*write) == "OK"
        wait_for(lambda: not client.exists("expires"), "it expires")
        client.set("replaced", "small")
        client.delete("deleted")
        client.flushdb()
        time.sleep(1.5)
        with pytest.raises(redis.ResponseError, match="the lease of upload .* is over"):
            client.execute_command(*write)
        with pytest.raises(redis.ResponseError, match="there is no upload .* under way"):
            client.execute_command("LARGE", "COMMIT", "k", upload, 1, "00000000")
    wait_for(lambda: no_chunks(cluster), "the chunks are removed", patience=150)


def test_a_value_can_be_read_while_others_write(everstore, cluster, tmp_path):
    """Replies stay in the order of the commands, whatever is in chunks."""
    file = random_file(tmp_path / "in", 3 * MIB)
    assert run(everstore, "put", file, "big", *nodes(cluster)).returncode == 0
    data = file.read_bytes()
    for node in cluster.nodes:
        with node.client(decode_responses=False) as client:
            pipe = client.pipeline(transaction=False)
            for n in range(20):
                pipe.set(f"k{n}", n).getrange("big", n, 2 * MIB + n).get(f"k{n}").strlen("big")
            replies = pipe.execute()
            for n in range(20):
                expected = [True, data[n : 2 * MIB + n + 1], str(n).encode(), len(data)]
                assert replies[4 * n : 4 * n + 4] == expected
            with pytest.raises(redis.ResponseError, match="kept in chunks"):
                client.mget("big")
            with pytest.raises(redis.ResponseError, match="kept in chunks"):
                client.transaction(lambda pipe: pipe.multi() or pipe.get("big"))


def test_a_value_that_goes_while_it_is_read_is_an_error_and_not_other_bytes(everstore, cluster, tmp_path):
    file = random_file(tmp_path / "in", 2 * MIB)
    assert run(everstore, "put", file, "big", *nodes(cluster)).returncode == 0
    with cluster.nodes[0].client(decode_responses=False) as client:
        upload = client.execute_command("LARGE", "STAT", "big")[0]
        (sum, chunk) = client.execute_command("LARGE", "READ", upload, 1)
        assert chunk == file.read_bytes()[MIB:]
        client.delete("big")
        wait_for(lambda: client.execute_command("LARGE", "READ", upload, 1) is None, "it is gone", patience=150)
        assert client.get("big") is None


def test_set_and_get_of_long_values(cluster):
    """Any client sets and reads values up to Redis's limit; what is behind in the pipeline sees them."""
    data = os.urandom(MIB) * 100 + b"end"
    victim = cluster.busiest()
    client = next(node for node in cluster.nodes if node is not victim).client(decode_responses=False)
    killer = threading.Timer(0.5, victim.kill)
    killer.start()
    pipe = client.pipeline(transaction=False)
    pipe.set("k", data, ex=1000).strlen("k").getrange("k", -3, -1).get("other")
    assert pipe.execute() == [True, len(data), b"end", None]
    killer.join()
    assert client.get("k") == data
    cluster.restart(victim)
    cluster.wait_healthy()
    with victim.client(decode_responses=False) as other:
        assert other.get("k") == data and 900 < other.ttl("k") <= 1000
        assert other.set("k", data, nx=True) is None
        with pytest.raises(redis.ResponseError, match="only SET takes such a value"):
            other.append("k", data)
        assert other.ping()
        other.delete("k")
    wait_for(lambda: no_chunks(cluster), "the chunks are removed", patience=150)


def test_shorter_values_are_cut_where_that_is_wanted(cluster):
    """Above 'chunk-threshold', wherever a large value does what a string in one piece does."""
    node = cluster.nodes[0]
    client = node.client(decode_responses=False)
    pieces = lambda key: client.execute_command("LARGE", "STAT", key)[0]  # noqa: E731 - empty: it is in one piece
    value, tail = os.urandom(2 * MIB), os.urandom(MIB)
    client.set("before", value)
    assert pieces("before") == b""
    with pytest.raises(redis.ResponseError, match="allowed"):
        client.config_set("chunk-threshold", "1000")
    for each in cluster.nodes:
        with each.client() as other:
            other.config_set("chunk-threshold", "1mb")
    client.set("now", value)
    client.set("exact", value[:MIB])
    client.set("old", value, get=True)
    client.mset({"several": value})
    with client.pipeline() as transaction:
        transaction.set("inside", value).get("inside")
        assert transaction.execute() == [True, value]
    keys = ["now", "exact", "old", "several", "inside"]
    assert [key for key in keys if pieces(key)] == ["now"]
    client.append("exact", tail)
    client.setrange("before", 2 * MIB, tail)
    assert all(pieces(key) for key in ("exact", "before"))
    wanted = {"now": value, "exact": value[:MIB] + tail, "before": value + tail}
    assert {key: client.get(key) for key in wanted} == wanted
    assert client.getrange("now", MIB - 1, MIB) == value[MIB - 1 : MIB + 1]
    for each in cluster.nodes:
        with each.client() as other:
            other.config_set("chunk-threshold", "8mb")
    client.set("now", value)
    assert pieces("now") == b"" and client.get("now") == value
    client.delete(*keys, "before")
    wait_for(lambda: no_chunks(cluster), "the chunks are removed", patience=150)


def test_append_and_setrange_change_the_chunks_concerned(everstore, cluster, tmp_path):
    """Each change is done once, in the order of its connection, also while leaders are killed."""
    expected = bytearray(os.urandom(5 * MIB + 77))
    victim = cluster.busiest()
    client = next(node for node in cluster.nodes if node is not victim).client(decode_responses=False)
    client.set("k", bytes(expected[:MIB]))
    for at in range(MIB, len(expected), MIB):
        client.append("k", bytes(expected[at : at + MIB]))
    assert client.getrange("k", 0, -1) == expected
    # Above max-value it is cut.
    more = os.urandom(4 * MIB)
    assert client.append("k", more) == len(expected) + len(more)
    expected += more
    killer = threading.Timer(0.3, victim.kill)
    killer.start()
    for round in range(30):
        pipe = client.pipeline(transaction=False)
        at = (round * 777_777) % len(expected)
        pipe.setrange("k", at, b"<%d>" % round).append("k", b"[%d]" % round).strlen("k").getrange("k", -6, -1)
        expected[at : at + len(b"<%d>" % round)] = b"<%d>" % round
        expected += b"[%d]" % round
        lengths = pipe.execute()
        assert lengths[1:] == [len(expected), len(expected), bytes(expected[-6:])], round
    killer.join()
    assert client.get("k") == expected
    cluster.restart(victim)
    cluster.wait_healthy()
    got = run(everstore, "get", "k", tmp_path / "out", *nodes(cluster))
    assert got.returncode == 0, got  # It compares the checksum of the whole.
    assert (tmp_path / "out").read_bytes() == expected
    client.delete("k")
    wait_for(lambda: no_chunks(cluster), "the chunks are removed", patience=150)
