"""A second site of nodes that never vote: its copies follow, nobody waits for them, and the day comes on which they are all there is."""

import json
import re
import shutil
import signal
import subprocess
import time

import pytest
import redis

from harness.cluster import Node, program, wait_for
from harness.ledger import Ledger

FAR = ("--zone", "far", "--zone-role", "learner")
GROUPS = 9


def everstore(*words: str, ask: Node | None = None) -> subprocess.CompletedProcess:
    command = [program(), *words, *(("--node", f"127.0.0.1:{ask.port}") if ask else ())]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False)


def zones(ask: Node) -> dict[str, dict]:
    done = everstore("zone", "list", "--json", ask=ask)
    assert done.returncode == 0, done.stderr
    return {zone["zone"]: zone for zone in json.loads(done.stdout)}


def join(cluster, *flags: str) -> Node:
    number = len(cluster.nodes) + 1
    node = Node(number, cluster.folder / f"node-{number}")
    cluster.nodes.append(node)
    node.flags = flags
    node.start("--join", cluster.seeds(node), "--secret-file", str(cluster.secret_file), *cluster.flags)
    wait_for(lambda: number in [n["id"] for n in node.status()["nodes"]], f"node {number} is a member")
    return node


def with_far(new_cluster, nodes: int = 2, flags: tuple[str, ...] = ()):
    """Three voters, and a learner zone that has a whole copy."""
    cluster = new_cluster(flags=("--max-moves", "4", *flags)).start()
    far = [join(cluster, *FAR) for _ in range(nodes)]
    copied(cluster.nodes[0])
    return cluster, far


def copied(ask: Node):
    def whole():
        far = zones(ask).get("far")
        return far and far["role"] == "learner" and far["copies"] == GROUPS and not ask.status()["moves"]
    wait_for(whole, "the learner zone has a copy of each group", 120)


def caught_up(ask: Node):
    wait_for(lambda: zones(ask)["far"]["lag"] == 0, "the learners have everything")


def groups(status: dict) -> list[dict]:
    return [*status["shards"], status["meta"]]


def roles(status: dict) -> dict[int, set[str]]:
    """What each node's replicas are."""
    found: dict[int, set[str]] = {}
    for group in groups(status):
        for replica in group["replicas"]:
            found.setdefault(replica["node"], set()).add(replica["role"])
    return found


def test_learners_get_a_copy_and_are_never_waited_for(new_cluster):
    cluster = new_cluster(flags=("--max-moves", "4")).start()
    voters = list(cluster.nodes)
    with Ledger(voters, threads=3) as ledger:
        ledger.wait_for_more(300)
        far = [join(cluster, *FAR) for _ in range(2)]
        copied(voters[0])
        status = voters[0].status()
        # One learner of each group, evenly, beside three voters as before.
        held = [sum(r["node"] == node and r["role"] == "learner" for g in groups(status) for r in g["replicas"]) for node in (4, 5)]
        assert sorted(held) == [4, 5]
        assert all(sorted(r["node"] for r in g["replicas"] if r["role"] != "learner") == [1, 2, 3] for g in groups(status))
        ledger.wait_for_more(300)
        ledger.longest_gap = 0.0
        # One stands still, the other is gone; then both are.
        far[0].signal(signal.SIGSTOP)
        far[1].kill()
        ledger.wait_for_more(1000)
        far[0].kill()
        ledger.wait_for_more(1000)
        assert ledger.errors == []
        # Longer than nothing, shorter than any failover: nobody noticed.
        assert ledger.longest_gap < 2, ledger.longest_gap
        for node in far:
            cluster.restart(node)
        ledger.wait_for_more(100)
    assert ledger.errors == []
    wait_for(lambda: all(n["state"]["state"] == "up" for n in voters[0].status()["nodes"]), "the learners are back")
    copied(voters[0])
    caught_up(voters[0])
    assert [roles(voters[0].status())[node] for node in (4, 5)] == [{"learner"}, {"learner"}]
    ledger.check(far[0])
    # A failover chooses among the voters only.
    voters[1].kill()
    wait_for(lambda: all(g["leader"] in (1, 3) for g in groups(voters[0].status())), "the voters lead")
    with far[1].client() as client:
        wait_for(lambda: client.set("after", "a failover"), "a learner's node forwards")


def test_a_learner_answers_reads_within_the_bound(new_cluster):
    cluster, far = with_far(new_cluster, nodes=1)
    node = far[0]
    with cluster.nodes[0].client() as client, node.client() as reader:
        reader.execute_command("READONLY", "MAX-STALENESS", "500")

        def count() -> int:
            return int(reader.info("everstore")["replica_reads"])

        client.set("k", 0)
        wait_for(lambda: reader.get("k") == "0", "it is there")
        before = count()
        for turn in range(1, 40):
            client.set("k", turn)
            # What is older than the bound has been seen.
            time.sleep(0.05)
            assert int(reader.get("k")) >= turn - 12
        assert count() > before, "nothing was read here"
        time.sleep(0.6)
        assert reader.get("k") == "39"


def test_the_main_site_is_lost_and_the_learner_zone_promoted(new_cluster):
    cluster, far = with_far(new_cluster)
    voters = cluster.nodes[:3]
    name = voters[0].status()["cluster_id"]
    with Ledger(voters, threads=3) as ledger:
        ledger.wait_for_more(500)
    caught_up(voters[0])
    # The link to the far site breaks, and more is written that it never hears of.
    for node in far:
        node.kill()
    with voters[0].client() as client:
        client.set("only in the main site", "yes")
    for node in voters:
        node.kill()
        shutil.rmtree(node.folder)
    dirs = [flag for node in far for flag in ("--dir", str(node.folder))]
    done = everstore("recover", "--force-majority-lost", "--cluster-name", name, *dirs)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert "recovered: cluster incarnation 1, nodes 4, 5" in done.stdout
    # It says what the main site had announced, and that nobody knows of more.
    assert "All that the leaders had announced is here." in done.stdout
    assert "of what came after it nothing is known" in done.stdout
    cluster.nodes = far
    cluster.restart_all()
    wait_for(lambda: all(g["leader"] in (4, 5) for g in groups(far[0].status())), "the far site leads")
    ledger.check(far[0])
    ledger.check(far[1])
    with far[0].client() as client:
        assert client.get("only in the main site") is None
        assert client.set("after", "the promotion")
    # What it was started with does not make it a learner zone again, and its nodes share everything.
    wait_for(lambda: zones(far[0])["far"]["role"] == "voter", "its nodes vote")

    def shared():
        return all({r["node"] for r in g["replicas"] if r["role"] != "learner"} == {4, 5} for g in groups(far[0].status()))
    wait_for(shared, "both have a replica of each group", 120)
    for node in far:
        node.kill()
    cluster.restart_all()
    wait_for(lambda: far[1].client().get("after") == "the promotion", "it starts again as usual")
    ledger.check(far[1])


def test_the_report_of_a_promotion_names_what_was_announced_and_is_not_there(new_cluster):
    cluster, far = with_far(new_cluster, nodes=1)
    voters = cluster.nodes[:3]
    name = voters[0].status()["cluster_id"]
    with voters[0].client() as client:
        client.set("k", "v")
    caught_up(voters[0])
    wait_for((far[0].folder / "heard").exists, "what is heard is written down")
    cluster.stop()
    # As if entries had been announced that never came: a line that is full, cut in the middle.
    heard = far[0].folder / "heard"
    lines = [line.split(" ") for line in heard.read_text().splitlines()]
    shard_0 = next(line for line in lines[1:] if line[0] == "1")
    shard_0[2] = str(int(shard_0[2]) + 1000)
    shard_0[4] = "345"
    heard.write_text("".join(" ".join(line) + "\n" for line in lines))
    done = everstore("recover", "--force-majority-lost", "--cluster-name", name, "--dir", str(far[0].folder))
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    # A few entries came after what was written down last.
    assert re.search(r"^shard 0: up to 9\d\d entries were committed that are not here, as announced", done.stdout, re.M)
    assert "shard 0: 345 bytes of asynchronous writes were answered and not committed then." in done.stdout


def test_a_zone_changes_its_role_while_clients_go_on(new_cluster):
    cluster, far = with_far(new_cluster)
    asked = cluster.nodes[0]
    with Ledger(cluster.nodes[:3], threads=2) as ledger:
        ledger.wait_for_more()
        done = everstore("zone", "set", "far", "--role", "voter", ask=asked)
        assert done.returncode == 0, done.stderr

        def spread():
            status = asked.status()
            seats = [n["seats"] for n in status["nodes"]]
            return not status["moves"] and sum(seats) == 3 * GROUPS and max(seats) - min(seats) <= 4 and min(seats) > 0
        wait_for(spread, "its nodes vote", 120)
        assert "learner" not in set().union(*roles(asked.status()).values())
        done = everstore("zone", "set", "far", "--role", "learner", ask=asked)
        assert done.returncode == 0, done.stderr
        copied(asked)
        assert [roles(asked.status())[node] for node in (4, 5)] == [{"learner"}, {"learner"}]
        ledger.wait_for_more()
    assert ledger.errors == []
    caught_up(asked)
    ledger.check(far[0])
    # One node of the zone goes: the other has all copies.
    done = everstore("node", "drain", "4", ask=asked)
    assert done.returncode == 0, done.stderr
    assert zones(asked)["far"]["copies"] == GROUPS
    assert everstore("node", "remove", "4", ask=asked).returncode == 0
    refused = everstore("node", "drain", "5", ask=asked)
    assert refused.returncode != 0 and "the only one of learner zone far" in refused.stderr


def test_a_lost_node_of_the_zone_is_replaced_and_a_lost_zone_keeps_its_copies(new_cluster):
    cluster, far = with_far(new_cluster, flags=("--replace-after", "4s"))
    asked = cluster.nodes[0]

    def held() -> dict[int, int]:
        return {n["id"]: n["seats"] for n in asked.status()["nodes"] if n["id"] > 3}

    with Ledger([asked], threads=1) as ledger:
        far[1].kill()
        wait_for(lambda: held() == {4: GROUPS, 5: 0}, "the other node of the zone has all copies", 120)
        ledger.wait_for_more(100)
        far[0].kill()
        ledger.wait_for_more(100)
        # Longer than anybody is waited for: the copies are still those of the zone.
        time.sleep(8)
        assert held()[4] == GROUPS
        assert everstore("node", "remove", "5", ask=asked).returncode == 0
        cluster.restart(far[0])
        copied(asked)
    assert ledger.errors == []
    caught_up(asked)
    ledger.check(far[0])
    # By force what is down for good goes, and the copies with it.
    far[0].kill()
    wait_for(lambda: asked.status()["nodes"][3]["state"]["state"] != "up", "it is missed")
    done = everstore("node", "remove", "4", "--force", ask=asked)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: all(len(g["replicas"]) == 3 for g in groups(asked.status())), "no learner is left")
    ledger.check(asked)


def test_what_can_not_be_is_refused(new_cluster):
    cluster, far = with_far(new_cluster, nodes=1)
    asked = cluster.nodes[0]
    refused = everstore("node", "drain", "3", ask=asked)
    assert refused.returncode != 0 and "only 2 of the 3 nodes are left" in refused.stderr
    refused = everstore("zone", "set", "nowhere", "--role", "learner", ask=asked)
    assert refused.returncode != 0 and "no node is in zone 'nowhere'; zones: far" in refused.stderr
    near = cluster.nodes[2]
    assert near.stop() == 0
    near.flags = ("--zone", "near", "--zone-role", "learner")
    cluster.restart(near)
    # A flag takes no votes away, and neither does a person where too few would be left.
    wait_for(lambda: zones(asked).get("near", {}).get("nodes") == [3], "it is in its zone")
    assert zones(asked)["near"]["role"] == "voter"
    refused = everstore("zone", "set", "near", "--role", "learner", ask=asked)
    assert refused.returncode != 0 and "only 2 of the 3 nodes are left" in refused.stderr
    assert "learner" not in roles(asked.status())[3]
    refused = everstore("node", "replace", "3", "4", ask=asked)
    assert refused.returncode != 0 and "the same role" in refused.stderr
    refused = everstore("switchover", "--shard", "0", "--to", "4", "--node", f"127.0.0.1:{asked.port}")
    assert refused.returncode != 0 and "never leads" in refused.stderr
    with asked.client() as client:
        for words in (["SET", "far"], ["SET", "far", "x"], ["GET", "far", "voter"]):
            with pytest.raises(redis.ResponseError):
                client.execute_command("EVERSTORE", "ZONE", *words)
    for flags in (("--zone-role", "learner"), ("--zone", "z", "--zone-role", "none"), ("--zone", "z", "--zone-role", "learner", "--bootstrap")):
        wrong = subprocess.run([program(), "serve", "--dir", str(cluster.folder / "x"), *flags], capture_output=True, text=True, timeout=60)
        assert wrong.returncode == 2 and "zone-role" in wrong.stderr, wrong.stderr
