"""Two nodes with data and a witness: any one of the three may be lost."""

import subprocess
import time
from pathlib import Path

import pytest
import redis

from harness.cluster import Node, program, wait_for
from harness.ledger import Ledger

# What a witness may keep: two active and two spare segments of 4 MiB, and rows of a few bytes.
TINY = 32 << 20


def recover(*flags: str) -> subprocess.CompletedProcess:
    command = [program(), "recover", *flags]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


def folder_bytes(folder: Path) -> int:
    return sum(f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file())


def problems(node: Node) -> str:
    return "\n".join(problem["text"] for problem in node.status()["problems"])


def leads(status: dict, number: int) -> list[int]:
    groups = [*status["shards"], status["meta"]]
    return [group["group"] for group in groups if group["leader"] == number]


@pytest.fixture
def small(new_cluster):
    """Nodes 1 and 2 keep data, node 3 is a witness."""
    cluster = new_cluster(shards=4)
    cluster.nodes[2].flags = ("--witness",)
    return cluster.start()


def on_both(nodes: list[Node]):
    """Whether no shard's writes are on one data node alone, as the leader of each says, who knows."""

    def all_say_so() -> bool:
        said = {}
        for node in [node for node in nodes if node.runs()]:
            status = node.status()
            for group in [*status["shards"], status["meta"]]:
                if group["leader"] == status["answered_by"]:
                    said[group["group"]] = not group.get("on_witness")
        return len(said) == len(status["shards"]) + 1 and all(said.values())

    return all_say_so


def test_writes_go_on_whichever_data_node_is_killed(small):
    first, second, witness = small.nodes
    with Ledger([first, second, witness]) as ledger:
        for dies, stays in [(first, second), (second, first)]:
            ledger.wait_for_more()
            wait_for(on_both(small.nodes), "both have everything")
            dies.kill()
            ledger.wait_for_more(500)
            wait_for(lambda s=stays: "writes are on one data node and a witness" in problems(s), "it is said")
            assert leads(stays.status(), 3) == []
            small.restart(dies)
            small.wait_healthy()
            wait_for(on_both(small.nodes), "it has caught up")
    for node in small.nodes:
        ledger.check(node)
    # Everything is on both: each of them alone, with the witness, has it.
    for dies, stays in [(first, second), (second, first)]:
        wait_for(on_both(small.nodes), "both have everything")
        dies.kill()
        wait_for(lambda d=dies: small.leads_nothing(d), "the other leads")
        ledger.check(stays)
        small.restart(dies)
        small.wait_healthy()


def test_a_witness_that_is_away_holds_nothing_up_and_comes_back(small):
    first, second, witness = small.nodes
    with Ledger([first, second]) as ledger:
        ledger.wait_for_more()
        witness.kill()
        ledger.wait_for_more(1000)
        small.restart(witness)
        small.wait_healthy()
        ledger.wait_for_more()
        wait_for(on_both(small.nodes), "both have everything")
        second.kill()
        ledger.wait_for_more(500)
        small.restart(second)
        small.wait_healthy()
    assert leads(first.status(), 3) == []
    ledger.check(first)
    ledger.check(second)


def test_its_folder_stays_tiny_and_it_serves_nothing_itself(small):
    first, second, witness = small.nodes
    secret = "needle-in-a-haystack-" * 4
    with first.client() as client:
        for start in range(0, 1000, 50):
            pipeline = client.pipeline(transaction=False)
            for n in range(start, start + 50):
                pipeline.set(f"key:{n}", secret + "x" * 50_000)
            pipeline.execute()
    size = folder_bytes(witness.folder)
    assert size < TINY, f"{size} bytes"
    for file in witness.folder.rglob("*"):
        assert not file.is_file() or b"needle-in-a-haystack" not in file.read_bytes(), file
    with witness.client() as client:
        assert client.get("key:77").startswith(secret), "it forwards"
        client.execute_command("READONLY")
        assert client.get("key:78").startswith(secret)
        assert client.dbsize() == 1000
        assert client.set("from", "the witness") is True
    with first.client() as client:
        assert client.get("from") == "the witness"
        assert client.wait(2, 300) == 1, "a witness is no copy"
        with pytest.raises(redis.RedisError, match="node 3 is a witness, which keeps no data and never leads"):
            client.execute_command("EVERSTORE", "SWITCHOVER", "SHARD", "0", "TO", "3")
        assert len(client.role()[2]) == 1
    for number in (1, 2):
        status = small.nodes[number - 1].status()
        assert leads(status, 3) == []
        assert [n["id"] for n in status["nodes"] if n.get("witness")] == [3]


def test_a_witness_far_behind_gets_a_snapshot_of_next_to_nothing(small):
    first, second, witness = small.nodes
    witness.kill()
    with first.client() as client:
        for n in range(400):
            client.set(f"key:{n % 40}", "x" * 900_000)
        client.execute_command("SAVE")
    small.restart(witness)
    small.wait_healthy()
    wait_for(on_both(small.nodes), "both have everything")
    second.kill()
    with first.client() as client:
        wait_for(lambda: client.set("after", "1"), "a majority is there")
    assert folder_bytes(witness.folder) < TINY


def test_what_was_on_one_disk_is_lost_with_it_loudly(small):
    first, second, witness = small.nodes
    with first.client() as client:
        client.set("on both", "yes")
        wait_for(on_both(small.nodes), "both have everything")
        name = first.status()["cluster_id"]
        second.kill()
        wait_for(lambda: client.set("on one", "yes"), "leader and witness commit")
    first.kill()
    small.restart(second)
    wait_for(lambda: "no leader" in problems(second), "it can not lead: the witness knows of more")
    time.sleep(2)
    assert "no leader" in problems(second), "nothing is lost in silence"
    second.stop()
    witness.stop()

    named = ("--cluster-name", name)
    refused = recover("--force-majority-lost", "--dir", str(witness.folder), *named)
    assert refused.returncode == 2 and "the folder of a witness, which has no data" in refused.stderr
    done = recover("--force-majority-lost", "--dir", str(second.folder), *named)
    assert done.returncode == 0, done.stderr
    small.restart(second)
    wait_for(lambda: all(s["leader"] == 2 for s in second.status()["shards"]), "it goes on alone")
    with second.client() as client:
        assert client.get("on both") == "yes"
        assert client.get("on one") is None
    small.restart(witness)
    assert witness.end() == 2, "it was given up like any other"


def test_a_folder_is_a_witness_or_it_is_not(small, tmp_path):
    first, _, witness = small.nodes
    witness.stop()
    witness.flags = ()
    small.restart(witness)
    assert witness.end() != 0
    assert "is that of a witness: start it with --witness" in witness.log_text()
    first.stop()
    first.flags = ("--witness",)
    small.restart(first)
    assert first.end() != 0
    assert "is that of a node that keeps data" in first.log_text()
    first.flags, witness.flags = (), ("--witness",)
    small.restart(first)
    small.restart(witness)
    small.wait_healthy()


def test_a_cluster_is_formed_with_one_witness_and_two_others_at_least(new_cluster, tmp_path):
    cluster = new_cluster()
    first, second, witness = cluster.nodes
    first.start("--bootstrap", "--replicas", "3", "--shards", "2")
    wait_for(cluster.secret_file.exists, "a secret")
    witness.flags = ("--witness",)
    cluster.join(witness)
    wait_for(lambda: first.status()["forming"]["joined"] == 2, "it has joined")
    other = Node(9, tmp_path / "other")
    other.flags = ("--witness",)
    other.start("--join", first.peer_address, "--secret-file", str(cluster.secret_file))
    assert other.end() == 2
    assert "is a witness already" in other.log_text()
    cluster.join(second)
    cluster.wait_healthy()
    assert [n["id"] for n in first.status()["nodes"] if n.get("witness")] == [2]


def test_a_witness_joins_later_and_goes_when_a_third_data_node_comes(new_cluster, tmp_path):
    cluster = new_cluster(shards=2).start()
    first, second, third = cluster.nodes
    witness, fifth = Node(4, tmp_path / "witness"), Node(5, tmp_path / "node-5")
    witness.flags = ("--witness",)
    try:
        with Ledger([first]) as ledger, first.client() as client:
            ledger.wait_for_more()
            cluster.join(witness)
            wait_for(lambda: len(first.status()["nodes"]) == 4, "it is a member")
            time.sleep(4)
            assert node_groups(first, 4) == [], "three data nodes need none"
            with pytest.raises(redis.RedisError, match="add a node first"):
                client.execute_command("EVERSTORE", "NODE", "DRAIN", "3")
            third.kill()
            remove = ("EVERSTORE", "NODE", "REMOVE", "3", "FORCE")
            wait_for(lambda: client.execute_command(*remove), "it is given up")
            wait_for(lambda: len(node_groups(first, 4)) == 3, "the witness votes in its place")
            wait_for(on_both(cluster.nodes), "both have everything")
            second.kill()
            ledger.wait_for_more(500)
            cluster.restart(second)
            wait_for(on_both(cluster.nodes), "both have everything")
            cluster.join(fifth)
            wait_for(lambda: len(node_groups(first, 5)) == 3, "a third copy comes")
            wait_for(lambda: node_groups(first, 4) == [], "and is worth more than a witness")
            ledger.wait_for_more()
        ledger.check(fifth)
    finally:
        witness.kill()
        fifth.kill()


def node_groups(node: Node, number: int) -> list[int]:
    """Groups in which node `number` has a seat, once nothing moves any more."""
    status = node.status()
    if status["moves"]:
        raise redis.RedisError("replicas are on their way")
    groups = [*status["shards"], status["meta"]]
    return [group["group"] for group in groups if number in [r["node"] for r in group["replicas"]]]
