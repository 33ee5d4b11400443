"""Machines come and go under load: nothing is lost, nothing is wrong, and clients of the others see no error."""

import json
import shutil
import subprocess
import time

import pytest
import redis

from harness.cluster import Node, program, wait_for
from harness.ledger import Ledger

# A moderate rate leaves time to look; the throttle itself is tested elsewhere.
FLAGS = ("--max-moves", "4")


def node_command(cluster, *words: str, ask: Node | None = None) -> subprocess.CompletedProcess:
    node = ask or cluster.nodes[0]
    command = [program(), "node", *words, "--node", f"127.0.0.1:{node.port}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


def join(cluster, number: int, *flags: str) -> Node:
    """Starts a node and waits until it is a member: two that come at once may get their ids in any order."""
    node = Node(number, cluster.folder / f"node-{number}")
    cluster.nodes.append(node)
    node.start("--join", cluster.seeds(node), "--secret-file", str(cluster.secret_file), *cluster.flags, *flags)
    wait_for(lambda: number in seats(cluster, node), f"node {number} is a member")
    return node


def seats(cluster, ask: Node) -> dict[int, int]:
    return {n["id"]: n["seats"] for n in ask.status()["nodes"]}


def settled(cluster, ask: Node, nodes: int, groups: int = 9, replicas: int = 3):
    """All replicas are where they should be, evenly, and their groups say so themselves."""
    def even():
        status = ask.status()
        held = [n["seats"] for n in status["nodes"] if not n["draining"]]
        if status["moves"] or len(held) != nodes or max(held) - min(held) > 1 or sum(held) != groups * replicas:
            return False
        return all(len(s["replicas"]) == replicas for s in status["shards"])
    wait_for(even, f"replicas are spread evenly over {nodes} nodes", 120)


def readers(cluster, through: list[Node], seconds: float):
    """Reads of all kinds while shards move: what was there at the beginning is always found."""
    with through[0].client() as client:
        keys = [f"steady:{i}" for i in range(300)]
        client.mset({key: key for key in keys})
        end, scans = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            for node in through:
                with node.client() as reader:
                    assert reader.mget(keys) == keys
                    found = set(reader.scan_iter(match="steady:*", count=100))
                    assert found == set(keys), f"a scan missed {set(keys) - found}"
                    scans += 1
        assert scans > 0


def test_a_cluster_grows_and_shrinks_under_load(new_cluster):
    cluster = new_cluster(flags=FLAGS).start()
    stay = cluster.nodes[:2]
    with Ledger(stay, threads=4) as ledger:
        ledger.wait_for_more()
        join(cluster, 4)
        join(cluster, 5)
        settled(cluster, stay[0], 5)
        readers(cluster, stay, 1)
        ledger.wait_for_more()
        for victim in (3, 4):
            done = node_command(cluster, "drain", str(victim))
            assert done.returncode == 0, done.stderr
            assert f"node {victim} has no replicas any more" in done.stdout
            readers(cluster, stay, 1)
            removed = node_command(cluster, "remove", str(victim))
            assert removed.returncode == 0, removed.stderr
        settled(cluster, stay[0], 3)
        ledger.wait_for_more()
    assert ledger.errors == []
    for node in (cluster.nodes[0], cluster.nodes[4]):
        ledger.check(node)
    # Whoever was removed was told so and has stopped, for good.
    for node in cluster.nodes[2:4]:
        assert node.end() == 2
        assert "was removed from the cluster" in node.log_text()
        cluster.restart(node)
        assert node.end() == 2
    # All come back with what they have, and nothing is lost with that either.
    stayed = [cluster.nodes[i] for i in (0, 1, 4)]
    for node in stayed:
        node.kill()
    for node in stayed:
        cluster.restart(node)
    wait_for(lambda: cluster._healthy(stayed[0].status(), 3), "the rest is healthy")
    ledger.check(stayed[2])


def test_a_move_survives_the_kill_of_anybody_in_it(new_cluster):
    cluster = new_cluster(flags=FLAGS).start()
    asked = cluster.nodes[1]
    with Ledger([asked], threads=2, value_size=2000) as ledger:
        ledger.wait_for_more(500)
        joining = join(cluster, 4)
        # In the middle of its first moves: the one that comes, then the one that decides.
        wait_for(lambda: asked.status()["moves"], "something moves")
        joining.kill()
        cluster.restart(joining)
        meta = cluster.by_id(asked.status(), asked.status()["meta"]["leader"])
        if meta is not asked:
            meta.kill()
            ledger.wait_for_more(50)
            cluster.restart(meta)
        settled(cluster, asked, 4)
        leaving = cluster.nodes[2]
        assert node_command(cluster, "drain", "3", "--no-wait", ask=asked).returncode == 0
        wait_for(lambda: asked.status()["moves"] or seats(cluster, asked)[3] == 0, "it begins to leave")
        leaving.kill()
        wait_for(lambda: seats(cluster, asked)[3] == 0, "its replicas are elsewhere although it is dead", 120)
        cluster.restart(leaving)
        settled(cluster, asked, 3)
        wait_for(lambda: leaving.status()["nodes"][2]["replicas"] == 0, "it has given up what it had")
        ledger.wait_for_more()
    ledger.check(asked)
    ledger.check(leaving)


def test_a_lost_machine_is_replaced_by_itself_and_on_demand(new_cluster):
    cluster = new_cluster(flags=(*FLAGS, "--replace-after", "5s")).start()
    join(cluster, 4)
    asked = cluster.nodes[1]
    settled(cluster, asked, 4)
    with Ledger([asked], threads=2) as ledger:
        ledger.wait_for_more()
        cluster.nodes[2].kill()
        wait_for(lambda: seats(cluster, asked)[3] == 0, "node 3 was given up", 120)
        ledger.wait_for_more()
        done = node_command(cluster, "remove", "3", ask=asked)
        assert done.returncode == 0, done.stderr
        join(cluster, 5)
        settled(cluster, asked, 4)
        done = node_command(cluster, "replace", "4", "5", ask=asked)
        assert done.returncode == 0, done.stderr
        assert seats(cluster, asked)[4] == 0
        settled(cluster, asked, 3)
    ledger.check(cluster.nodes[4])
    again = cluster.nodes[2]
    cluster.restart(again)
    assert again.end() == 2
    assert all(node["id"] != 3 for node in asked.status()["nodes"]), "it is not known again"
    # With an empty folder it is a new node, at the same address.
    shutil.rmtree(again.folder)
    cluster.join(again)

    def is_there():
        return any(node["id"] == 6 and node["state"]["state"] == "up" for node in asked.status()["nodes"])

    wait_for(is_there, "it has joined")


def test_what_would_break_the_replica_count_is_refused(new_cluster):
    cluster = new_cluster(flags=FLAGS).start()
    refused = node_command(cluster, "drain", "3")
    assert refused.returncode != 0
    assert "only 2 of the 3 nodes are left" in refused.stderr and "FORCE" in refused.stderr
    refused = node_command(cluster, "remove", "3")
    assert "still holds 9 replicas" in refused.stderr
    refused = node_command(cluster, "remove", "3", "--force")
    assert refused.returncode != 0 and ("is up" in refused.stderr or "leads" in refused.stderr)
    refused = node_command(cluster, "drain", "7")
    assert "node 7 does not exist; members: 1, 2, 3" in refused.stderr
    with cluster.nodes[0].client() as client:
        for words in (["DRAIN"], ["DRAIN", "x"], ["DRAIN", "1", "NOW"], ["REPLACE", "1"], ["REPLACE", "1", "1"]):
            with pytest.raises(redis.ResponseError):
                client.execute_command("EVERSTORE", "NODE", *words)
        assert client.execute_command("EVERSTORE", "PLAN") == []
    # By force what no other can take stays where it is.
    assert node_command(cluster, "drain", "3", "--force", "--no-wait").returncode == 0
    time.sleep(5)
    assert seats(cluster, cluster.nodes[0])[3] == 9
    assert node_command(cluster, "undrain", "3").returncode == 0
    # A machine that is gone for good may be removed where a majority is left.
    cluster.nodes[2].kill()
    wait_for(lambda: cluster.nodes[0].status()["nodes"][2]["state"]["state"] != "up", "it is missed")
    done = node_command(cluster, "remove", "3", "--force")
    assert done.returncode == 0, done.stderr
    settled(cluster, cluster.nodes[0], 2, replicas=2)
    with cluster.nodes[1].client() as client:
        assert client.set("k", "v") is True
    listed = node_command(cluster, "list", "--json")
    assert [n["id"] for n in json.loads(listed.stdout)] == [1, 2]


def test_a_lost_majority_is_recovered_after_shards_moved(new_cluster):
    cluster = new_cluster(flags=FLAGS).start()
    join(cluster, 4)
    settled(cluster, cluster.nodes[0], 4)
    with Ledger([cluster.nodes[0]], threads=2) as ledger:
        ledger.wait_for_more(300)
    name = cluster.nodes[0].status()["cluster_id"]
    cluster.stop()
    first, second, third, fourth = cluster.nodes
    command = [program(), "recover", "--force-majority-lost", "--cluster-name", name]

    def recover(*words):
        return subprocess.run([*command, *words], capture_output=True, text=True, timeout=60)

    # Nodes 2 and 3 are lost. Each shard had a replica on one of the others.
    dirs = ("--dir", str(first.folder), "--dir", str(fourth.folder))
    elsewhere = recover("--dir", str(first.folder), "--survivors", "1,4")
    assert elsewhere.returncode == 2 and "name the data folders of all survivors" in elsewhere.stderr
    done = recover(*dirs)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "recovered: cluster incarnation 1, nodes 1, 4" in done.stdout
    for node in (first, fourth):
        cluster.restart(node)
    # Each shard is where it was, then the two share everything, as the recovery says.
    settled(cluster, first, 2, replicas=2)
    ledger.check(first)
    ledger.check(fourth)
    cluster.restart(second)
    assert second.end() == 2
    assert "recovered after its majority was lost" in second.log_text()
    # The cluster grows again, also in replicas, also where the old members' steps are still in the logs.
    join(cluster, 5)
    more = subprocess.run([program(), "replicas", "3", "--node", f"127.0.0.1:{first.port}"], capture_output=True, timeout=60)
    assert more.returncode == 0, more.stderr
    settled(cluster, first, 3)
    for node in (first, fourth, cluster.nodes[4]):
        node.kill()
    for node in (first, fourth, cluster.nodes[4]):
        cluster.restart(node)
    wait_for(lambda: cluster._healthy(first.status(), 3), "the rest is healthy")
    ledger.check(cluster.nodes[4])
