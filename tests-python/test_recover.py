"""A majority of the nodes is lost for good: the survivors are recovered offline, on purpose."""

import json
import shutil
import subprocess
import time

import pytest
import redis

from harness.cluster import program, wait_for
from harness.ledger import Ledger


def recover(*flags: str) -> subprocess.CompletedProcess:
    command = [program(), "recover", *flags]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


def folders(nodes) -> list[str]:
    return [flag for node in nodes for flag in ("--dir", str(node.folder))]


def test_the_survivor_of_three_goes_on_and_the_lost_are_refused(new_cluster):
    cluster = new_cluster(shards=4).start()
    survivor, lost, returning = cluster.nodes
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(500)
    with survivor.client() as client:
        client.set("on all nodes", "yes")
    status = cluster.wait_healthy().nodes[0].status()
    name = status["cluster_id"]
    cluster.stop()
    shutil.rmtree(lost.folder)

    refused = recover("--force-majority-lost", *folders([survivor, returning]), "--cluster-name", name)
    assert refused.returncode == 2 and "which is a majority: nothing is lost, start them" in refused.stderr
    refused = recover(*folders([survivor]))
    assert refused.returncode == 2 and "--force-majority-lost" in refused.stderr
    refused = recover("--force-majority-lost", *folders([survivor]))
    assert refused.returncode == 2 and f"nothing was changed: say --cluster-name {name}" in refused.stderr
    refused = recover("--force-majority-lost", *folders([survivor]), "--cluster-name", "another")
    assert refused.returncode == 2 and "nothing was changed" in refused.stderr

    done = recover("--force-majority-lost", *folders([survivor]), "--cluster-name", name)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "nodes 1 survive, nodes 2, 3 are given up" in done.stdout
    assert "recovered: cluster incarnation 1, nodes 1" in done.stdout
    again = recover("--force-majority-lost", *folders([survivor]), "--cluster-name", name)
    assert again.returncode == 2 and "start them" in again.stderr

    cluster.restart(survivor)
    wait_for(lambda: all(s["leader"] == 1 for s in survivor.status()["shards"]), "it leads everything")
    ledger.check(survivor)
    with survivor.client() as client:
        assert client.get("on all nodes") == "yes"
        assert client.set("after", "the recovery")

    def alone():
        found = survivor.status()
        return [n["id"] for n in found["nodes"]] == [1] and found["problems"]

    told = wait_for(alone, "the members that were given up are forgotten")
    assert [problem["text"] for problem in told] == ["replicas = 1: nothing is replicated"]

    # A node of before is told why it is refused, ends, and does not come back even alone.
    cluster.restart(returning)
    assert returning.end() == 2
    assert "the cluster was recovered after its majority was lost" in returning.log_text()
    cluster.restart(returning)
    assert returning.end() == 2
    assert "recovered after its majority was lost" in returning.log_text().strip().splitlines()[-1]

    # An empty folder is welcome, under an id that nobody had.
    cluster.join(lost)
    wait_for(lambda: [n["id"] for n in survivor.status()["nodes"]] == [1, 4], "a new node joins")
    with lost.client() as client:
        assert wait_for(lambda: client.get("after"), "it forwards") == "the recovery"

    survivor.stop()
    lost.stop()
    cluster.restart(survivor)
    wait_for(lambda: survivor.client().get("after") == "the recovery", "it starts again as usual")


def test_two_survivors_of_five_on_two_machines(new_cluster):
    cluster = new_cluster(count=5, shards=3).start()
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(300)
    first, second, *lost = cluster.nodes
    name = first.status()["cluster_id"]
    # Everything acknowledged reaches all before they end in good order.
    cluster.wait_healthy()
    cluster.stop()
    for node in lost:
        shutil.rmtree(node.folder)
    for node in (first, second):
        done = recover("--force-majority-lost", *folders([node]), "--survivors", "1,2", "--cluster-name", name)
        assert done.returncode == 0, done.stderr
    cluster.nodes = [first, second]
    cluster.restart_all()
    cluster.wait_healthy()
    ledger.check(second)
    with first.client() as client:
        assert client.set("after", "the recovery")


def salvage(lost, survivor, file) -> subprocess.CompletedProcess:
    command = [program(), "losses", "salvage", "--lost", str(lost.folder), "--survivor", str(survivor.folder), str(file)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


def lines_of(file) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_what_only_a_lost_node_had_is_read_from_its_folder(new_cluster, tmp_path):
    cluster = new_cluster(shards=4).start()
    survivor, gone, lost = cluster.nodes
    name = cluster.wait_healthy().nodes[0].status()["cluster_id"]
    with lost.client() as client:
        for n in range(20):
            client.set(f"on all nodes {n}", "yes")
    cluster.wait_healthy()
    survivor.kill()
    with lost.client() as client:
        for n in range(20):
            wait_for(lambda n=n: client.set(f"elsewhere {n}", "kept"), "the others go on")
        client.rpush("elsewhere 20", "one", "two")
    # Not in good order: a last checkpoint would take it out of the log.
    lost.kill()
    gone.kill()
    shutil.rmtree(gone.folder)

    early = salvage(lost, survivor, tmp_path / "early")
    assert early.returncode == 2 and "recovery-1" in early.stderr and not (tmp_path / "early").exists()
    done = recover("--force-majority-lost", *folders([survivor]), "--cluster-name", name)
    assert done.returncode == 0, done.stderr
    cluster.restart(survivor)
    wait_for(lambda: all(s["leader"] == 1 for s in survivor.status()["shards"]), "it leads everything")
    with survivor.client() as client:
        assert client.get("on all nodes 3") == "yes" and client.get("elsewhere 3") is None

    file = tmp_path / "lost.jsonl"
    found = salvage(lost, survivor, file)
    print(found.stdout)
    assert found.returncode == 0, found.stderr
    lines = lines_of(file)
    puts = {line["key"]: line["value"] for line in lines if line["effect"] == "put" and line["type"] == "string"}
    assert puts == {f"elsewhere {n}": "kept" for n in range(20)}
    assert {line["key"] for line in lines} == {f"elsewhere {n}" for n in range(21)}
    assert f"{len(lines)} lines written to {file}" in found.stdout and "node 3 of cluster" in found.stdout
    again = salvage(lost, survivor, file)
    assert again.returncode != 0 and "lost.jsonl" in again.stderr
    assert lines_of(file) == lines


def test_what_has_left_the_log_of_a_lost_node_is_found_in_its_rows(new_cluster, tmp_path):
    cluster = new_cluster(shards=4).start()
    survivor, gone, lost = cluster.nodes
    name = cluster.wait_healthy().nodes[0].status()["cluster_id"]
    with lost.client() as client:
        for n in range(40):
            client.set(f"on all nodes {n}", "yes")
        client.set("deleted elsewhere", "yes")
    cluster.wait_healthy()
    survivor.stop()
    with lost.client() as client:
        for n in range(20):
            wait_for(lambda n=n: client.set(f"elsewhere {n}", "kept"), "the others go on")
            client.set(f"on all nodes {n}", "changed")
        client.sadd("a set", *(f"member {n}" for n in range(1000)))
        client.delete("deleted elsewhere")
    # In good order: a last checkpoint takes all out of the log.
    gone.stop()
    lost.stop()
    shutil.rmtree(gone.folder)
    done = recover("--force-majority-lost", *folders([survivor]), "--cluster-name", name)
    assert done.returncode == 0, done.stderr

    def told(file):
        rows = [line for line in lines_of(file) if line["what"] == "row"]
        assert {line["shard"] for line in rows} <= set(range(4)) and all(line["index"] > 0 for line in rows)
        strings = {line["key"]: (line["value"], line["survivor"]) for line in rows if line["type"] == "string"}
        return rows, strings

    # Before anybody has changed anything each difference is a loss. (A shard of which the survivor had heard of
    # a last entry, but not that it was committed, has no checkpoint of it yet.)
    at_once = salvage(lost, survivor, tmp_path / "at once")
    print(at_once.stdout)
    assert at_once.returncode == 0, at_once.stderr
    rows, strings = told(tmp_path / "at once")
    expected = {f"elsewhere {n}": ("kept", "absent") for n in range(20)}
    expected |= {f"on all nodes {n}": ("changed", "other") for n in range(20)}
    assert strings.items() <= expected.items() and {line["certainty"] for line in rows} <= {"lost"}
    assert strings == expected or "the survivor's checkpoint is older than the recovery" in at_once.stdout

    # While the survivor runs they are only counted.
    cluster.restart(survivor)
    wait_for(lambda: all(s["leader"] == 1 for s in survivor.status()["shards"]), "it leads everything")
    running = salvage(lost, survivor, tmp_path / "running")
    assert running.returncode == 0, running.stderr
    assert "a survivor must be stopped in good order" in running.stdout
    assert told(tmp_path / "running") == ([], {})
    with survivor.client() as client:
        assert client.set("on all nodes 39", "changed since") and client.set("on the survivor", "new")
    survivor.stop()

    found = salvage(lost, survivor, tmp_path / "found")
    print(found.stdout)
    assert found.returncode == 0, found.stderr
    rows, strings = told(tmp_path / "found")
    # Nobody can tell that this one was changed on the survivor, so all are suspected.
    changed_since = {"on all nodes 39": ("yes", "other")}
    assert expected.items() <= strings.items() <= (expected | changed_since).items()
    assert {line["certainty"] for line in rows} == {"suspected"}
    assert "suspected: what differs may also have been changed on the survivor" in found.stdout
    assert "keys are on the survivor only" in found.stdout
    assert f"{len(lines_of(tmp_path / 'found'))} lines written" in found.stdout

    # A collection comes as a payload for RESTORE.
    [members] = [line for line in rows if line["type"] == "set"]
    assert members["key"] == "a set" and members["survivor"] == "absent"
    cluster.restart(survivor)
    wait_for(lambda: all(s["leader"] == 1 for s in survivor.status()["shards"]), "it leads everything")
    with survivor.client() as client:
        client.restore("a set", 0, bytes.fromhex(members["dump_hex"]))
        assert client.scard("a set") == 1000 and client.sismember("a set", "member 999")


def test_salvage_says_what_is_wrong_with_a_folder(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    command = [program(), "losses", "salvage", "--lost", str(empty), "--survivor", str(tmp_path), str(tmp_path / "file")]
    refused = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert refused.returncode == 2
    assert f"{empty} is no data folder of a node: it has no node.toml" in refused.stderr
    assert "--bootstrap" not in refused.stderr and not (tmp_path / "file").exists()


@pytest.mark.parametrize("after_s", [0.0, 0.03, 0.1, 0.25, 0.6, 5.0])
def test_the_survivor_of_a_cluster_whose_shards_are_being_split_has_every_key(new_cluster, after_s):
    cluster = new_cluster(shards=4).start()
    survivor, *lost = cluster.wait_healthy().nodes
    keys = {f"key {number}": f"value {number}" * 10 for number in range(4000)}
    with survivor.client() as client:
        client.mset(keys)
        client.hset("a hash", mapping=keys)
        wait_for(lambda: sets(client, "large", b"l" * (9 << 20)), "all members have said that they know large values")
    name = cluster.wait_healthy().nodes[0].status()["cluster_id"]
    with lost[0].client() as client:
        wait_for(lambda: divides(client), "the split begins")
    time.sleep(after_s)
    for node in cluster.nodes:
        node.kill()

    refused = recover("--force-majority-lost", *folders([survivor]), "--survivors", "1,3", "--cluster-name", name)
    done = recover("--force-majority-lost", *folders([survivor]), "--cluster-name", name)
    print(done.stdout, refused.stderr)
    assert done.returncode == 0, done.stderr
    assert "shards have moved or were split" in done.stdout
    assert refused.returncode == 2 and "name the data folders of all survivors in one call" in refused.stderr

    cluster.restart(survivor)

    def whole():
        status = survivor.status()
        shards = status["shards"]
        return len(shards) == 8 and status["shards_to_come"] == 0 and all(s["leader"] == 1 for s in shards)

    wait_for(whole, "it leads all shards that the split makes")
    with survivor.client() as client:
        assert client.mget(keys) == list(keys.values())
        assert client.hgetall("a hash") == keys and client.strlen("large") == 9 << 20
        assert sorted(client.scan_iter(count=500)) == sorted([*keys, "a hash", "large"])
        assert client.dbsize() == len(keys) + 2
        assert client.set("after", "the recovery")

    # Once more, and with an empty node that joins it.
    shutil.rmtree(lost[0].folder)
    cluster.join(lost[0])
    wait_for(lambda: [n["id"] for n in survivor.status()["nodes"]] == [1, 4], "a new node joins")
    with lost[0].client() as client:
        wait_for(lambda: divides(client), "it is split again")
        wait_for(lambda: len(survivor.status()["shards"]) == 16, "the split is known")
        assert wait_for(lambda: client.mget(keys), "it is served") == list(keys.values())


def sets(client, key: str, value: bytes) -> bool:
    return succeeds(client, "SET", key, value)


def divides(client) -> bool:
    return succeeds(client, "EVERSTORE", "SHARDS", "SPLIT")


def succeeds(client, *command) -> bool:
    try:
        return client.execute_command(*command) in (True, b"OK", "OK")
    except redis.RedisError:
        return False
