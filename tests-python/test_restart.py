"""Clusters that were stopped, killed, moved, emptied or left behind come back right, or say why not."""

import shutil
import signal

import pytest

from harness.cluster import Node, wait_for
from harness.ledger import Ledger


@pytest.fixture
def cluster(new_cluster):
    return new_cluster().start()


def test_all_nodes_killed_at_once(cluster):
    with Ledger(cluster.nodes, threads=6) as ledger:
        ledger.wait_for_more(1000)
        for node in cluster.nodes:
            node.process.kill()
        for node in cluster.nodes:
            node.kill()
    ledger.errors.clear()  # everybody died; what counts is what had been acknowledged
    cluster.restart_all()
    cluster.wait_healthy()
    check_after_death(ledger, cluster.nodes)


def check_after_death(ledger: Ledger, nodes: list[Node]):
    """Counters may be one ahead of the last answer: the last INCR may have been done without an answer."""
    with nodes[0].client() as client:
        for counter, counts in ledger.counted.items():
            assert counts == list(range(1, len(counts) + 1))
            assert int(client.get(counter) or 0) - len(counts) in (0, 1)
    ledger.counted.clear()
    for node in nodes:
        ledger.check(node)


def test_a_clean_stop_and_start_keeps_everything(cluster):
    with cluster.nodes[0].client() as client:
        client.mset({f"k{i}": str(i) for i in range(500)})
        client.set("expiring", "1", ex=1000)
    cluster.stop()
    assert [node.process.returncode for node in cluster.nodes] == [0, 0, 0]
    cluster.restart_all()
    cluster.wait_healthy()
    with cluster.nodes[2].client() as client:
        assert client.mget([f"k{i}" for i in range(500)]) == [str(i) for i in range(500)]
        assert 900 < client.ttl("expiring") <= 1000
        assert client.dbsize() == 501


def test_every_node_restarted_on_new_ports(cluster):
    """A node is an id, never an address."""
    with cluster.nodes[0].client() as client:
        client.mset({f"k{i}": str(i) for i in range(100)})
    cluster.stop()
    for node in cluster.nodes:
        node.take_ports()
    cluster.restart_all()
    cluster.wait_healthy()
    for node in cluster.nodes:
        with node.client() as client:
            assert client.mget([f"k{i}" for i in range(100)]) == [str(i) for i in range(100)]
    addresses = {n["redis_address"] for n in cluster.nodes[0].status()["nodes"]}
    assert addresses == {f"127.0.0.1:{node.port}" for node in cluster.nodes}


def test_one_node_moves_while_the_others_run(cluster):
    mover = cluster.nodes[2]
    assert mover.stop() == 0
    mover.take_ports()
    cluster.restart(mover)
    cluster.wait_healthy()
    with mover.client() as client:
        assert client.set("moved", "1") is True


def test_an_emptied_folder_is_refused(cluster):
    victim = cluster.nodes[2]
    with cluster.nodes[0].client() as client:
        client.set("k", "v")
        victim.kill()
        shutil.rmtree(victim.folder)
        before = len(victim.log_text())
        cluster.join(victim)
        assert victim.end() != 0, "a node that lost its data must not take part under its old identity"
        assert "node 3" in victim.log_text()[before:], "the reason names the node"
        assert client.set("k", "w") is True, "the others go on"
        nodes = cluster.nodes[0].status()["nodes"]
        assert [n["id"] for n in nodes] == [1, 2, 3], "no other member appeared"


def test_a_folder_of_another_cluster_is_refused(cluster, new_cluster):
    other = new_cluster(count=1).start()
    wanderer = other.nodes[0]
    wanderer.stop()
    wanderer.start("--join", f"127.0.0.1:{cluster.nodes[0].peer_port}")
    wait_for(
        lambda: not wanderer.runs() or [n["id"] for n in wanderer.status()["nodes"]] == [1],
        "it ends, or goes on as the only node of its own cluster",
    )
    assert len(cluster.nodes[0].status()["nodes"]) == 3


def test_a_second_process_on_a_folder_is_refused(cluster):
    owner = cluster.nodes[0]
    second = Node(9, owner.folder)
    second.start()
    assert second.end() == 2
    reason = second.log_text().strip().splitlines()[-1]
    assert str(owner.folder) in reason, reason
    with owner.client() as client:
        assert client.ping() is True


def test_a_follower_that_is_far_behind_gets_a_snapshot(new_cluster):
    flags = ("--segment-size", "32mb", "--checkpoint-log-share", "32mb")
    cluster = new_cluster(shards=2, flags=flags).start()
    late = cluster.nodes[2]
    late.kill()
    value = "s" * 60_000
    with cluster.nodes[0].client() as client:
        for start in range(0, 3000, 100):
            client.mset({f"s:{i}": f"{i}:{value}" for i in range(start, start + 100)})
        client.set("last", "1")
    cluster.restart(late)
    cluster.wait_healthy()

    def caught_up():
        groups = cluster.nodes[0].status()["shards"] + cluster.nodes[1].status()["shards"]
        return all(replica["lag"] == 0 for shard in groups for replica in shard["replicas"])

    wait_for(caught_up, "the late follower has everything", 120)
    # With another node gone, what it holds is needed for every majority, and it may lead.
    cluster.nodes[1].kill()
    wait_for(lambda: cluster.leads_nothing(cluster.nodes[1]), "the others lead")
    with late.client() as client:
        for start in range(0, 3000, 100):
            found = client.mget([f"s:{i}" for i in range(start, start + 100)])
            assert found == [f"{i}:{value}" for i in range(start, start + 100)]


def test_an_older_copy_of_a_folder_is_refused(cluster):
    """The copy is of the very incarnation that acknowledged more: only the others can know that."""
    victim = cluster.nodes[2]
    copy = victim.folder.with_name("copy-3")
    with cluster.nodes[0].client() as client:
        client.mset({f"k{i}": "1" for i in range(200)})
        victim.signal(signal.SIGSTOP)
        shutil.copytree(victim.folder, copy)
        victim.signal(signal.SIGCONT)
        client.mset({f"k{i}": "2" for i in range(200)})
        assert client.execute_command("WAIT", "2", "30000") == 2
        victim.kill()
        shutil.rmtree(victim.folder)
        copy.rename(victim.folder)
        before = len(victim.log_text())
        cluster.restart(victim)
        assert victim.end() == 2
        assert "the data folder of node 3 is older than what the node acknowledged" in victim.log_text()[before:]
        assert client.mget([f"k{i}" for i in range(200)]) == ["2"] * 200


def test_a_damaged_row_tree_is_rebuilt(cluster):
    victim = cluster.nodes[2]
    with cluster.nodes[0].client() as client:
        client.mset({f"k{i}": f"{i}:{'v' * 100}" for i in range(2000)})
        assert victim.stop() == 0  # which leaves its rows in its trees
        client.mset({f"k{i}": "new" for i in range(0, 2000, 10)})
    damage_tree(victim, tree=3)
    before = len(victim.log_text())
    cluster.restart(victim)
    cluster.wait_healthy()
    wait_for(lambda: not victim.status()["problems"], "all its replicas are whole")
    said = victim.log_text()[before:]
    assert "tree 3" in said and "rebuilt from a healthy replica" in said, said
    wait_for(lambda: not (victim.folder / "rows" / "3").exists(), "what is of no use any more is removed")
    expected = ["new" if i % 10 == 0 else f"{i}:{'v' * 100}" for i in range(2000)]
    # It serves from the new tree, also after a restart, and when another node is gone.
    for restart in (False, True):
        if restart:
            assert victim.stop() == 0
            cluster.restart(victim)
            cluster.wait_healthy()
        with victim.client() as client:
            for node in (1, 2):
                assert client.execute_command("EVERSTORE", "SWITCHOVER", "NODE", str(node)) == "OK"
            assert client.mget([f"k{i}" for i in range(2000)]) == expected
    cluster.nodes[1].kill()
    wait_for(lambda: cluster.leads_nothing(cluster.nodes[1]), "the others lead")
    with victim.client() as client:
        assert client.mget([f"k{i}" for i in range(2000)]) == expected


def damage_tree(node: Node, tree: int):
    """Turns over a bit in the middle of the largest file of a row tree, which is a table."""
    files = [path for path in (node.folder / "rows" / str(tree)).rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
