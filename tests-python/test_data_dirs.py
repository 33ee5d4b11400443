"""Nodes with several data folders: shards are spread over them, and one that is lost takes only its own replicas."""

import shutil
from pathlib import Path

import pytest
import redis

from harness.cluster import Cluster, Node, wait_for
from harness.ledger import Ledger
from harness.sick import SickDisk, Unavailable

FLAGS = ("--segment-size", "32mb", "--checkpoint-log-share", "8mb")


def further(node: Node) -> Path:
    return node.folder.with_name(node.folder.name + "-b")


def name_folders(node: Node, *folders: Path):
    node.flags = tuple(part for folder in (node.folder, *folders) for part in ("--data-dir", str(folder)))


@pytest.fixture
def two_each(new_cluster) -> Cluster:
    """Three nodes with two data folders each."""
    cluster = new_cluster(shards=8, flags=FLAGS)
    for node in cluster.nodes:
        name_folders(node, further(node))
    return cluster.start()


def told(through: Node, number: int) -> list[dict]:
    """What a node has told of its folders, so far."""
    return next((n.get("folders", []) for n in through.status()["nodes"] if n["id"] == number), [])


def folders(through: Node, number: int) -> list[dict]:
    return wait_for(lambda: told(through, number), f"node {number} tells of its folders")


def problems(node: Node) -> str:
    return "\n".join(problem["text"] for problem in node.status()["problems"])


def is_whole(cluster: Cluster) -> bool:
    """Every shard has three voters that are equal, on every node's word, and nothing is under way."""
    for node in cluster.running():
        status = node.status()
        if status["moves"] or status["planned_moves"]:
            return False
        for group in [*status["shards"], status["meta"]]:
            applied = {replica["applied"] for replica in group["replicas"]}
            if len(group["replicas"]) != 3 or len(applied) != 1 or 0 in applied:
                return False
    return True


def lost_folder(through: Node, number: int) -> dict:
    """The folder that a node says it has lost."""
    lost = lambda: next((f for f in told(through, number) if f.get("lost")), None)  # noqa: E731
    return wait_for(lost, "it tells of the folder")


def made_anew(cluster: Cluster, node: Node, other: Node, ledger: Ledger):
    """All replicas are there again: a majority that needs those of this node has everything."""
    wait_for(lambda: is_whole(cluster), "all replicas are there again", patience=120)
    other.kill()
    cluster.wait_healthy(up=2)
    ledger.check(node)
    cluster.restart(other)
    cluster.wait_healthy()


def kill_all(cluster: Cluster):
    for node in cluster.nodes:
        node.process.kill()
    for node in cluster.nodes:
        node.process.wait(30)


def test_shards_are_spread_and_all_is_there_after_all_were_killed(two_each):
    cluster = two_each
    for node in cluster.nodes:
        assert [f["replicas"] for f in folders(cluster.nodes[0], node.number)] in ([5, 4], [4, 5])
        assert any((further(node) / "log").glob("seg-*.log")) and any((further(node) / "rows").iterdir())
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(500)
        kill_all(cluster)
        cluster.restart_all()
        cluster.wait_healthy()
        ledger.wait_for_more(300)
        ledger.stop()
    for node in cluster.nodes:
        ledger.check(node)
    before = [folders(cluster.nodes[0], node.number) for node in cluster.nodes]
    kill_all(cluster)
    # Another order of further folders, or another place, changes nothing.
    moved = further(cluster.nodes[1]).with_name("elsewhere")
    further(cluster.nodes[1]).rename(moved)
    name_folders(cluster.nodes[1], moved)
    cluster.restart_all()
    cluster.wait_healthy()
    ledger.check(cluster.nodes[1])
    for node, was in zip(cluster.nodes, before, strict=True):
        now = folders(cluster.nodes[0], node.number)
        assert [f["replicas"] for f in now] == [f["replicas"] for f in was]


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_a_folder_that_is_lost_is_made_anew_from_the_others(two_each, what):
    cluster = two_each
    victim = cluster.nodes[1]
    others = [node for node in cluster.nodes if node is not victim]
    with Ledger(others) as ledger:
        ledger.wait_for_more(300)
        victim.kill()
        ledger.wait_for_more(300)
        shutil.rmtree(further(victim))
        if what == "empty":
            further(victim).mkdir()
        cluster.restart(victim)
        cluster.wait_healthy()
        lost = lost_folder(others[0], 2)
        assert lost["lost"].startswith("it is missing" if what == "missing" else "it is empty"), lost
        wait_for(lambda: "data folder" in problems(others[0]), "others are told")
        ledger.wait_for_more(300)
        ledger.stop()
    made_anew(cluster, victim, others[0], ledger)
    # And it stays so: the folder that is gone is not missed by the next start.
    kill_all(cluster)
    cluster.restart_all()
    cluster.wait_healthy()
    ledger.check(victim)
    assert not any(f.get("lost") for f in folders(victim, 2)) or what == "missing"


def test_beside_a_witness_a_lost_folder_is_made_anew_from_the_only_other_node(new_cluster):
    cluster = new_cluster(shards=4, flags=FLAGS)
    first, victim, witness = cluster.nodes
    for node in (first, victim):
        name_folders(node, further(node))
    witness.flags = ("--witness",)
    cluster.start()
    with Ledger([first]) as ledger:
        ledger.wait_for_more(300)
        victim.kill()
        ledger.wait_for_more(300)
        shutil.rmtree(further(victim))
        cluster.restart(victim)
        cluster.wait_healthy()
        lost_folder(first, 2)
        ledger.wait_for_more(300)
        ledger.stop()
    made_anew(cluster, victim, first, ledger)


def test_a_folder_that_comes_back_in_time_is_taken_as_it_was(new_cluster):
    """One replica each, so nobody else has what is in it."""
    cluster = new_cluster(count=1, shards=4, flags=FLAGS)
    node = cluster.nodes[0]
    name_folders(node, further(node))
    cluster.start()
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(200)
        ledger.stop()
    node.kill()
    away = further(node).with_name("away")
    further(node).rename(away)
    cluster.restart(node)
    wait_for(lambda: "replicas in it are lost" in problems(node), "it says what is lost")
    with node.client(socket_timeout=3) as client, pytest.raises(redis.RedisError):
        for key in ledger.acknowledged:
            client.get(key)
    node.kill()
    away.rename(further(node))
    cluster.restart(node)
    cluster.wait_healthy()
    ledger.check(node)


def test_folders_of_others_and_folders_that_hold_replicas_are_no_mistake_that_passes(two_each):
    cluster = two_each
    first, second, third = cluster.nodes
    kill_all(cluster)

    def refused(node: Node, *given: Path) -> str:
        before = len(node.log_text())
        name_folders(node, *given)
        cluster.restart(node)
        assert node.end() == 2
        return node.log_text()[before:]

    said = refused(first, further(second))
    assert "belongs to node 2 of cluster" in said and "this is node 1" in said
    said = refused(second, further(first))
    assert "belongs to node 1 of cluster" in said and "this is node 2" in said
    said = refused(third)
    assert f"data folder {further(third)} holds replicas of this node" in said
    assert "is the home folder of a node" in refused(third, further(third), first.folder)
    photos = third.folder.with_name("photos")
    photos.mkdir()
    (photos / "a.jpg").write_text("")
    assert "a further folder begins empty" in refused(third, further(third), photos)
    assert "names" in refused(third, further(third), further(third))
    for node in cluster.nodes:
        name_folders(node, further(node))
    cluster.restart_all()
    cluster.wait_healthy()
    with first.client() as client:
        assert client.set("k", "v") is True


def test_a_folder_is_added_and_takes_new_replicas(new_cluster, tmp_path):
    cluster = new_cluster(shards=6, flags=FLAGS).start()
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(200)
        node = cluster.nodes[1]
        node.stop()
        name_folders(node, further(node))
        cluster.restart(node)
        cluster.wait_healthy()
        now = folders(cluster.nodes[0], 2)
        assert [f["replicas"] for f in now] == [7, 0], "replicas stay where they are"
        ledger.wait_for_more(200)
        ledger.stop()
    # What comes to it goes to the emptier folder.
    fourth = Node(4, tmp_path / "node-4")
    name_folders(fourth, further(fourth))
    fourth.start("--join", cluster.seeds(fourth), "--secret-file", str(cluster.secret_file), *FLAGS)
    try:
        wait_for(lambda: sum(f["replicas"] for f in told(cluster.nodes[0], 4)) >= 4, "it gets its share", patience=120)
        shares = [f["replicas"] for f in folders(cluster.nodes[0], 4)]
        assert abs(shares[0] - shares[1]) <= 1, shares
        ledger.check(fourth)
        wait_for(lambda: is_whole(cluster), "nothing is under way", patience=120)
        assert [f["replicas"] for f in folders(cluster.nodes[0], 2)][1] == 0
        # One without replicas may go again.
        node.stop()
        node.flags = ()
        cluster.restart(node)
        cluster.wait_healthy()
        assert "a data folder without replicas is not used any more" in node.log_text()
    finally:
        fourth.kill()


def test_a_folder_that_fails_takes_only_its_replicas_and_the_node_goes_on(new_cluster, tmp_path):
    cluster = new_cluster(shards=8, flags=FLAGS)
    victim = cluster.nodes[1]
    for node in cluster.nodes:
        name_folders(node, further(node))
    try:
        disk = SickDisk(victim, tmp_path, under=further(victim))
    except Unavailable as why:
        pytest.skip(str(why))
    cluster.start()
    others = [node for node in cluster.nodes if node is not victim]
    held = folders(others[0], 2)[1]["replicas"]
    # Through the victim as well: what it executed and can not prove any more is never answered as done.
    with Ledger(cluster.nodes, threads=6) as ledger:
        ledger.wait_for_more(300)
        disk.fail()
        lost = lost_folder(others[0], 2)
        assert "Input/output error" in lost["lost"], lost
        ledger.wait_for_more(300)
        wait_for(lambda: folders(others[0], 2)[0]["replicas"] == 9, "all is made anew in the home folder", patience=120)
        ledger.wait_for_more(300)
        ledger.stop()
    assert held == 4 and victim.runs()
    made_anew(cluster, victim, others[0], ledger)
    # The folder that failed comes back: what is in it is of the past.
    kill_all(cluster)
    disk.heal()
    cluster.restart_all()
    cluster.wait_healthy()
    for node in cluster.nodes:
        ledger.check(node)
    said = wait_for(lambda: [f for f in told(others[0], 2) if not f.get("lost")], "its folders")
    assert [f["replicas"] for f in said] == [9, 0]
