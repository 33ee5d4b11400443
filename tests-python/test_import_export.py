"""`everstore import` and `export` beside a real Redis: what was there is there, and what could not be is named."""

import json
import os
import random
import re
import shutil
import struct
import subprocess
import threading
import time

import pytest
import redis

from harness.cluster import connect, wait_for
from harness.keys import content, contents, fill
from harness.original import Original
from harness.ports import free_port
from harness.swallower import Swallower


def run(program, *arguments, patience: float = 200, **env) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERSTORE_")} | env
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=patience, env=clean)


def nodes(cluster) -> list[str]:
    return ["--node", ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)]


def held(cluster, db: int = 0) -> dict:
    """All keys of a keyspace. On a slow machine a leader may lose its lease over a long answer, which is then not given."""
    return wait_for(lambda: [contents(raw(cluster, db))], "everything is read")[0]


def raw(cluster, db: int = 0) -> redis.Redis:
    return connect(cluster.nodes[-1].port, db=db, decode_responses=False)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Three nodes that the tests of this file share; each test begins with an empty cluster."""
    from harness.cluster import Cluster

    cluster = Cluster(tmp_path_factory.mktemp("import"))
    try:
        yield cluster.start()
    finally:
        cluster.destroy()


@pytest.fixture
def empty(cluster):
    for db in range(16):
        with raw(cluster, db) as client:
            if client.dbsize():
                client.flushdb()
    return cluster


@pytest.fixture
def original(tmp_path):
    """Starts real servers, which end with the test."""
    started = []

    def start(name: str = "redis", *flags: str, file=None) -> Original:
        server = Original(tmp_path / name)
        if file is not None:
            server.folder.mkdir()
            shutil.copy(file, server.file)
        started.append(server)
        return server.start(*flags)

    yield start
    for server in started:
        server.stop()


def rows(done: subprocess.CompletedProcess) -> dict:
    """The keyspaces of a JSON answer, by their number in the source."""
    return {row["from"]: row for row in json.loads(done.stdout)["keyspaces"]}


def test_from_redis_and_back_to_redis(everstore, empty, original, tmp_path):
    source = original()
    fill(source.client())
    source.client(db=3).mset({f"k{n}": n for n in range(50)})
    source.client(db=15).rpush("l", 1, 2)
    done = run(everstore, "import", source.url, *nodes(empty))
    assert done.returncode == 0, done
    assert done.stdout.splitlines()[-1] == "OK", done.stdout
    assert re.search(r"^3 +50 +50 +0 +0 +50 +0 +50 +OK$", done.stdout, re.M), done.stdout
    expected = {db: contents(source.client(db)) for db in (0, 3, 15)}
    assert len(expected[0]) == source.client().dbsize() > 3000
    for db, keys in expected.items():
        assert held(empty, db) == keys
    file = tmp_path / "out.rdb"
    out = run(everstore, "export", file, *nodes(empty))
    assert out.returncode == 0 and out.stdout.splitlines()[-1] == "OK", out
    checked = subprocess.run(["redis-check-rdb", str(file)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and "RDB looks OK" in checked.stdout, checked.stdout
    second = original("second", file=file)
    assert {db: contents(second.client(db)) for db in (0, 3, 15)} == expected
    assert second.client().info("keyspace").keys() == {"db0", "db3", "db15"}


def test_a_file_that_redis_saved(everstore, empty, original):
    source = original()
    fill(source.client(), sized=500)
    source.client(db=7).set("k", "v")
    source.client().set("gone", "v", px=1)
    source.client().save()
    source.stop()
    done = run(everstore, "import", source.file, "--json", *nodes(empty))
    assert done.returncode == 0, done
    counts = rows(done)
    assert counts[0]["refused"] == 0 and counts[0]["read"] == counts[0]["written"] + counts[0]["expired"]
    again = original("again", file=source.file)
    for db in (0, 7):
        assert held(empty, db) == contents(again.client(db))
    # Once more: everything is there already, and the same.
    done = run(everstore, "import", source.file, "--json", *nodes(empty))
    assert done.returncode == 0 and rows(done)[0]["same"] == counts[0]["written"], done


def test_what_expired_in_a_file_is_left_out_and_counted(everstore, empty, original):
    source = original("redis", "--enable-debug-command", "yes")
    client = source.client()
    client.set("stays", 1)
    client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    for n in range(5):
        client.set(f"goes {n}", 1, px=300)
    client.save()
    time.sleep(0.5)
    done = run(everstore, "import", source.file, "--json", *nodes(empty))
    assert done.returncode == 0, done
    assert (rows(done)[0]["written"], rows(done)[0]["expired"], raw(empty).dbsize()) == (1, 5, 1)


def test_one_database_a_pattern_and_another_keyspace(everstore, empty, original):
    source = original()
    for db in (2, 20):
        source.client(db).mset({f"{kind}:{n}": db for kind in "ab" for n in range(100)})
    refused = run(everstore, "import", source.url, *nodes(empty))
    assert refused.returncode == 2
    assert "database 20: keyspaces are 0 to 15" in refused.stderr and "--from-db 20" in refused.stderr
    done = run(everstore, "import", source.url, "--from-db", 20, "--to-keyspace", 4, "--match", "a:*", *nodes(empty))
    assert done.returncode == 0 and "20 -> 4" in done.stdout, done
    keys = {b"a:%d" % n: b"20" for n in range(100)}
    assert {key: raw(empty, 4).get(key) for key in raw(empty, 4).keys()} == keys
    done = run(everstore, "import", f"{source.url}/2", *nodes(empty))
    assert done.returncode == 0 and raw(empty, 2).dbsize() == 200 and raw(empty, 0).dbsize() == 0
    source.client().save()
    done = run(everstore, "import", source.file, "--from-db", 20, "--match", "b:1?", "--to-keyspace", 5, *nodes(empty))
    assert done.returncode == 0 and raw(empty, 5).dbsize() == 10, done
    done = run(everstore, "import", source.file, "--match", "b:1?", *nodes(empty))
    assert done.returncode == 1 and done.stderr.count("refused: database 20, key \"b:1") == 10, done
    assert done.stdout.splitlines()[-1] == "DIFFERS"


def test_keys_that_are_there_already(everstore, empty, original):
    source = original()
    source.client().mset({"same": 1, "other": "new", "fresh": 3})
    raw(empty).mset({"same": 1, "other": "old"})
    refused = run(everstore, "import", source.url, *nodes(empty))
    assert refused.returncode == 1 and refused.stdout.splitlines()[-1] == "DIFFERS"
    assert 'refused: database 0, key "other": the key exists already' in refused.stderr
    assert "--replace or --skip-existing" in refused.stderr and '"same"' not in refused.stderr
    assert (raw(empty).get("other"), raw(empty).get("fresh")) == (b"old", b"3")
    skipped = run(everstore, "import", source.url, "--skip-existing", "--json", *nodes(empty))
    assert skipped.returncode == 0 and rows(skipped)[0]["skipped"] == 3 and raw(empty).get("other") == b"old"
    replaced = run(everstore, "import", source.url, "--replace", "--json", *nodes(empty))
    assert replaced.returncode == 0 and rows(replaced)[0]["replaced"] == 3, replaced
    assert raw(empty).get("other") == b"new"


def test_what_can_not_be_restored_is_named(everstore, empty, original):
    source = original()
    client = source.client()
    client.mset({"a": 1, "too large": b"x" * (9 << 20), "z": 2})
    client.set(b"long name" * 5000, 1)
    client.xadd("stream", {"f": "v"})
    client.xgroup_create("stream", "group", 0)
    client.xreadgroup("group", "consumer", {"stream": ">"})
    done = run(everstore, "import", source.url, "--json", *nodes(empty))
    counts = rows(done)[0]
    assert done.returncode == 1 and counts["read"] == 5, done
    assert 'key "too large": ' in done.stderr and "max-value" in done.stderr
    assert "a name of 45000 bytes, at most 32000 are allowed" in done.stderr
    assert {raw(empty).get("a"), raw(empty).get("z")} == {b"1", b"2"}
    # A stream with groups is there as it was, or it is named: never neither.
    there = raw(empty).exists("stream")
    assert ('key "stream": ' in done.stderr) == (not there), done.stderr
    if there:
        assert raw(empty).xpending("stream", "group")["pending"] == 1
    assert counts["refused"] == 3 - there and raw(empty).dbsize() == 2 + there
    assert json.loads(done.stdout)["ok"] is False


@pytest.mark.timeout(400)
def test_collections_too_large_for_one_command(everstore, empty, original):
    source, noise = original(), random.Random(7)
    pipe = source.client().pipeline(transaction=False)
    for i in range(1600):
        # More than 12 MiB each. What repeats itself is a small payload all the same.
        pipe.rpush("list", f"item {i} " * 900)
        pipe.hset("hash", f"field {i}", noise.randbytes(8500))
        pipe.zadd("sorted", {f"member {i} " * 800: i / 3})
        pipe.sadd("set", noise.randbytes(8500))
    pipe.pexpireat("sorted", int(time.time() * 1000) + 10_000_000)
    pipe.execute()
    done = run(everstore, "import", source.url, "--json", *nodes(empty))
    assert done.returncode == 0 and rows(done)[0]["written"] == 4, done
    for key in (b"list", b"hash", b"set", b"sorted"):
        there = wait_for(lambda key=key: content(raw(empty), key), "it is read")
        assert there == content(source.client(), key), key


@pytest.mark.timeout(400)
@pytest.mark.parametrize("policy", [(), ("--replace",), ("--skip-existing",)], ids=["", "replace", "skip"])
def test_a_node_dies_and_its_last_replies_with_it(everstore, new_cluster, original, policy):
    cluster = new_cluster().start()
    source = original()
    source.client().mset({f"key {n}": f"value {n}" * (n % 9) for n in range(12_000)})
    raw(cluster).set("key 7", "was there")
    if not policy:
        source.client().set("key 7", "was there")
    victim = cluster.nodes[0]
    proxy = Swallower(victim.port, requests=300_000)
    done = []
    # Only the victim is named: the others are found.
    arguments = ("import", source.url, "--json", "--node", f"127.0.0.1:{proxy.port}", *policy)
    importing = threading.Thread(target=lambda: done.append(run(everstore, *arguments)))
    importing.start()
    assert proxy.swallowed.wait(100)
    before = raw(cluster).dbsize()
    victim.kill()
    importing.join(200)
    proxy.close()
    assert 1 < before < 12_000, "it dies in the middle"
    assert done and done[0].returncode == 0, done
    counts = rows(done[0])[0]
    # What was written and not answered is found to be ours.
    kind = {(): "same", ("--replace",): "replaced", ("--skip-existing",): "skipped"}[policy]
    assert (counts["read"], counts["written"], counts[kind]) == (12_000, 11_999, 1), counts
    expected = contents(source.client())
    if policy == ("--skip-existing",):
        expected[b"key 7"] = [b"string", b"was there", -1]
    assert held(cluster) == expected


@pytest.fixture
def locked(empty):
    """The cluster with a password."""
    for node in empty.nodes:
        node.client().config_set("requirepass", "ours")
    yield empty
    for node in empty.nodes:
        node.client(password="ours").config_set("requirepass", "")


def test_passwords_of_both_sides(everstore, locked, original, tmp_path):
    source = original("redis", "--requirepass", "theirs")
    client = source.client(password="theirs")
    client.set("k", "v")
    client.acl_setuser("mover", enabled=True, passwords=["+p@ss/word"], keys=["*"], commands=["+@all"])
    client.acl_setuser("weak", enabled=True, passwords=["+weak"], keys=["*"], commands=["+@all", "-dump"])
    at, target = f"127.0.0.1:{source.port}", nodes(locked)
    ours, theirs = {"EVERSTORE_PASSWORD": "ours"}, {"EVERSTORE_SOURCE_PASSWORD": "theirs"}
    cases = [
        (f"redis://{at}", ours, "NOAUTH"),
        (f"redis://:wrong@{at}", ours, "WRONGPASS"),
        (f"redis://weak:weak@{at}", ours, "NOPERM"),
        (f"redis://:theirs@{at}", {}, "set EVERSTORE_PASSWORD"),
        (f"redis://:theirs@{at}", {"EVERSTORE_PASSWORD": "wrong"}, "WRONGPASS"),
    ]
    for url, env, words in cases:
        refused = run(everstore, "import", url, *target, **env)
        assert refused.returncode == 1 and words in refused.stderr, (url, refused)
    for url, env in [(f"redis://mover:p%40ss%2Fword@{at}", ours), (f"redis://{at}", ours | theirs)]:
        done = run(everstore, "import", url, *target, **env)
        assert done.returncode == 0, done
    done = run(everstore, "export", tmp_path / "x.rdb", *target, **ours)
    assert done.returncode == 0, done


@pytest.fixture
def file(tmp_path, original):
    """A file that Redis saved."""
    source = original("saved")
    source.client().mset({f"k{n}": "some value" * 20 for n in range(2000)})
    source.client().save()
    source.stop()
    return source.file


def damaged(file, name: str, change) -> str:
    other = file.with_name(name)
    other.write_bytes(change(file.read_bytes()))
    return str(other)


def test_bad_files_are_refused_before_anything_is_written(everstore, empty, file, tmp_path):
    cases = {
        "text.rdb": (lambda old: b"hello, this is no file of Redis", "not an RDB file"),
        "empty.rdb": (lambda old: b"", "ends inside"),
        "cut.rdb": (lambda old: old[: len(old) // 2], "damaged, or was cut"),
        "short.rdb": (lambda old: old[:-1], "damaged, or was cut"),
        "longer.rdb": (lambda old: old + b"x", "damaged, or was cut"),
        "flipped.rdb": (lambda old: old[:5000] + bytes([old[5000] ^ 1]) + old[5001:], "wrong CRC64"),
        "sum.rdb": (lambda old: old[:-8] + struct.pack("<Q", 1), "wrong CRC64"),
        "newer.rdb": (lambda old: b"REDIS0012" + old[9:], "RDB version 12, allowed are 1 to 11"),
    }
    for name, (change, words) in cases.items():
        done = run(everstore, "import", damaged(file, name, change), *nodes(empty))
        assert done.returncode == 1 and words in done.stderr, (name, done)
        assert name in done.stderr and "nothing was written" in done.stderr, (name, done)
    missing = run(everstore, "import", tmp_path / "no-such.rdb", *nodes(empty))
    assert missing.returncode == 2 and "no-such.rdb: No such file" in missing.stderr
    folder = run(everstore, "import", tmp_path, *nodes(empty))
    assert folder.returncode == 2 and "a folder" in folder.stderr
    assert raw(empty).dbsize() == 0


def test_damage_without_a_checksum_ends_the_import_and_says_so(everstore, empty, file):
    """A file without a checksum is found to be damaged only in the middle: what was written is counted."""
    without = damaged(file, "half.rdb", lambda old: old[: len(old) // 2] + b"\xf0" * 20 + b"\xff" + bytes(8))
    done = run(everstore, "import", without, *nodes(empty))
    assert done.returncode == 1 and done.stdout.splitlines()[-1] == "DIFFERS", done
    assert "it ended too early" in done.stdout and "half.rdb" in done.stdout, done
    assert f"{raw(empty).dbsize()}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rediss://127.0.0.1"], "encrypted connections (TLS) are not supported"),
        (["http://127.0.0.1"], "'http://' is not known"),
        (["redis://127.0.0.1:0"], "'127.0.0.1:0' is not host:port"),
        (["redis://h/x"], "'/x' is no number of a database"),
        (["redis://h/1", "--from-db", "2"], "give one of them"),
        (["redis://h", "--to-keyspace", "2"], "--from-db"),
        (["x.rdb", "--replace", "--skip-existing"], "cannot be used with"),
        (["x.rdb", "--to-keyspace", "99"], "99"),
    ],
)
def test_bad_arguments_are_one_clear_line(everstore, arguments, words):
    refused = run(everstore, "import", *arguments)
    assert refused.returncode == 2 and words in refused.stderr, refused.stderr


def test_nobody_answers(everstore, empty, original, file, tmp_path):
    port = free_port()
    done = run(everstore, "import", f"redis://127.0.0.1:{port}", *nodes(empty))
    assert done.returncode == 2 and f"127.0.0.1:{port}" in done.stderr and "refused" in done.stderr
    nowhere = ["--node", f"127.0.0.1:{port}"]
    for words in (["import", original().url], ["import", file], ["export", tmp_path / "x.rdb"]):
        done = run(everstore, *words, *nowhere)
        assert done.returncode == 2 and f"no node answered: 127.0.0.1:{port}" in done.stderr, done
    assert not (tmp_path / "x.rdb").exists()


def test_a_redis_is_no_target(everstore, original, file):
    server = original()
    done = run(everstore, "import", file, "--node", f"127.0.0.1:{server.port}")
    assert done.returncode == 1 and "unknown command 'EVERSTORE'" in done.stderr, done


def test_export_of_some_keyspaces_and_over_a_file(everstore, empty, original, tmp_path):
    raw(empty, 0).mset({f"{kind}{n}": n for kind in "ab" for n in range(20)})
    raw(empty, 6).set("six", 6)
    path = tmp_path / "some.rdb"
    done = run(everstore, "export", path, "--keyspace", "6", *nodes(empty))
    assert done.returncode == 0, done
    assert original("six", file=path).client(6).get("six") == b"6"
    before = path.read_bytes()
    refused = run(everstore, "export", path, *nodes(empty))
    assert refused.returncode == 2 and "exists already; --force replaces it" in refused.stderr
    assert path.read_bytes() == before
    done = run(everstore, "export", path, "--force", "--match", "a*", *nodes(empty))
    assert done.returncode == 0, done
    loaded = original("a", file=path)
    assert (loaded.client(0).dbsize(), loaded.client(6).dbsize()) == (20, 0)
    nowhere = run(everstore, "export", tmp_path / "none" / "x.rdb", *nodes(empty))
    assert nowhere.returncode == 2 and "No such file or directory" in nowhere.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "six", "some.rdb"], "nothing is left behind"


def test_an_empty_cluster_is_an_empty_file(everstore, empty, original, tmp_path):
    path = tmp_path / "none.rdb"
    done = run(everstore, "export", path, *nodes(empty))
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "OK", done
    server = original(file=path)
    assert server.client().dbsize() == 0
    done = run(everstore, "import", server.url, *nodes(empty))
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "OK", done
