"""A majority is lost, and nodes have two data folders: further ones that are in place, elsewhere, or lost as well."""

import shutil

import pytest
from test_data_dirs import FLAGS, further, name_folders
from test_recover import folders, lines_of, recover, salvage

from harness.cluster import Cluster, Node, wait_for
from harness.ledger import Ledger


def two_each(new_cluster, **options) -> Cluster:
    cluster = new_cluster(flags=FLAGS, **options)
    for node in cluster.nodes:
        name_folders(node, further(node))
    return cluster.start()


def remove(node: Node):
    shutil.rmtree(node.folder)
    shutil.rmtree(further(node))


def leads_all(node: Node) -> bool:
    return all(shard["leader"] == node.number for shard in node.status()["shards"])


@pytest.mark.parametrize("where", ["in place", "elsewhere"])
def test_a_survivor_with_two_folders_has_all_that_is_in_both(new_cluster, where):
    cluster = two_each(new_cluster, shards=6)
    survivor, *lost = cluster.nodes
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(500)
    name = cluster.wait_healthy().nodes[0].status()["cluster_id"]
    cluster.stop()
    for node in lost:
        remove(node)
    named = folders([survivor])
    if where == "elsewhere":
        away = further(survivor).with_name("away")
        further(survivor).rename(away)
        refused = recover("--force-majority-lost", *named, "--cluster-name", name)
        assert refused.returncode == 2 and "no survivor has group" in refused.stderr
        assert f"data folder 1 ({further(survivor)}): it is missing" in refused.stderr
        named += ["--dir", str(away)]
        alone = recover("--force-majority-lost", "--dir", str(away), "--cluster-name", name)
        assert alone.returncode == 2 and "name also the home folder of that node" in alone.stderr
        name_folders(survivor, away)
    done = recover("--force-majority-lost", *named, "--cluster-name", name)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "LOST" not in done.stdout and "nodes 1 survive, nodes 2, 3 are given up" in done.stdout
    cluster.restart(survivor)
    wait_for(lambda: leads_all(survivor), "it leads everything")
    ledger.check(survivor)
    with survivor.client() as client:
        assert client.set("after", "the recovery")
    # All of both folders is of the new incarnation, also after checkpoints and a crash.
    survivor.stop()
    cluster.restart(survivor)
    wait_for(lambda: leads_all(survivor), "it leads everything again")
    survivor.kill()
    cluster.restart(survivor)
    wait_for(lambda: leads_all(survivor), "and again")
    ledger.check(survivor)


def test_a_folder_that_is_lost_as_well_takes_only_its_replicas_along(new_cluster):
    cluster = two_each(new_cluster, count=5, shards=6)
    first, second, *lost = cluster.nodes
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(500)
    name = cluster.wait_healthy().nodes[0].status()["cluster_id"]
    # In good order: what was acknowledged is on all nodes.
    cluster.stop()
    for node in lost:
        remove(node)
    away = further(first).with_name("away")
    further(first).rename(away)
    apart = recover("--force-majority-lost", *folders([first]), "--survivors", "1,2", "--cluster-name", name)
    assert apart.returncode == 2 and "name the data folders of all survivors in one call" in apart.stderr
    done = recover("--force-majority-lost", *folders([first, second]), "--cluster-name", name)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert f"node 1: data folder 1 ({further(first)}) is LOST: it is missing" in done.stdout
    assert "recovered: cluster incarnation 1, nodes 1, 2" in done.stdout
    cluster.nodes = [first, second]
    cluster.restart_all()
    with second.client() as client:
        assert wait_for(lambda: client.set("after", "the recovery"), "writes go on")
    wait_for(lambda: all(shard["leader"] for shard in second.status()["shards"]), "all shards are led")
    ledger.check(second)

    def whole(node):
        status = node.status()
        all_have = all(len(s["replicas"]) == 2 for s in [*status["shards"], status["meta"]])
        return all_have and not status["moves"] and not status["planned_moves"]

    # It comes back, and counts for nothing: both have everything only once it is made anew.
    first.kill()
    away.rename(further(first))
    cluster.restart(first)
    wait_for(lambda: whole(first) and whole(second), "what was lost is made anew", patience=120)
    ledger.check(first)
    for node in cluster.nodes:
        node.stop()
    cluster.restart_all()
    wait_for(lambda: whole(first) and whole(second), "it stays so", patience=60)
    ledger.check(first)
    with first.client() as client:
        assert wait_for(lambda: client.get("after"), "it is served") == "the recovery"


def test_where_only_folders_are_lost_the_shard_goes_on_with_who_has_it(new_cluster):
    cluster = two_each(new_cluster, shards=4)
    with Ledger(cluster.nodes) as ledger:
        ledger.wait_for_more(300)
    name = cluster.wait_healthy().nodes[0].status()["cluster_id"]
    cluster.stop()
    shutil.rmtree(further(cluster.nodes[0]))
    refused = recover("--force-majority-lost", *folders(cluster.nodes), "--cluster-name", name)
    assert refused.returncode == 2 and "nothing is lost, start them" in refused.stderr
    shutil.rmtree(further(cluster.nodes[1]))
    done = recover("--force-majority-lost", *folders(cluster.nodes), "--cluster-name", name)
    print(done.stdout)
    assert done.returncode == 0 and done.stdout.count("is LOST: it is missing") == 2, done.stderr
    cluster.restart_all()
    cluster.wait_healthy()

    def whole():
        status = cluster.nodes[2].status()
        return all(len(s["replicas"]) == 3 for s in status["shards"]) and not status["moves"]

    wait_for(whole, "every shard has three replicas again", patience=120)
    for node in cluster.nodes:
        ledger.check(node)


@pytest.mark.parametrize("ends", ["killed", "in good order"])
def test_what_only_a_lost_node_had_in_two_folders_is_salvaged(new_cluster, tmp_path, ends):
    cluster = two_each(new_cluster, shards=4)
    survivor, gone, lost = cluster.nodes
    name = cluster.wait_healthy().nodes[0].status()["cluster_id"]
    with lost.client() as client:
        for n in range(40):
            client.set(f"on all nodes {n}", "yes")
    cluster.wait_healthy()
    survivor.stop()
    with lost.client() as client:
        for n in range(40):
            wait_for(lambda n=n: client.set(f"elsewhere {n}", "kept"), "the others go on")
    for node in (lost, gone):
        node.kill() if ends == "killed" else node.stop()
    remove(gone)
    done = recover("--force-majority-lost", *folders([survivor]), "--cluster-name", name)
    assert done.returncode == 0, done.stderr
    cluster.restart(survivor)
    wait_for(lambda: leads_all(survivor), "it leads everything")
    with survivor.client() as client:
        # So its checkpoints are later than the recovery.
        assert all(client.set(f"since {n}", "new") for n in range(40))
    survivor.stop()

    found = salvage(lost, survivor, tmp_path / "found")
    print(found.stdout)
    assert found.returncode == 0 and "LOST" not in found.stdout, found.stderr
    keys = {line["key"]: line["value"] for line in lines_of(tmp_path / "found") if line["type"] == "string"}
    assert keys.items() >= {f"elsewhere {n}": "kept" for n in range(40)}.items()
    assert {line["shard"] for line in lines_of(tmp_path / "found")} == {0, 1, 2, 3}

    shutil.rmtree(further(lost))
    part = salvage(lost, survivor, tmp_path / "part")
    assert part.returncode == 0, part.stderr
    assert f"node 3: data folder 1 ({further(lost)}) is LOST: it is missing" in part.stdout
    shards = {line["shard"] for line in lines_of(tmp_path / "part")}
    assert shards and shards < {0, 1, 2, 3}
