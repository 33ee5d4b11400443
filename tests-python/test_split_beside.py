"""Splits beside those without data or without a vote: a witness votes in the new shards too, a learner zone follows."""

import time

import pytest

from harness.cluster import wait_for
from harness.ledger import Ledger
from test_learner_zones import caught_up, with_far, zones
from test_split import consistent, is_split, shards, shards_command, split
from test_witness import leads, on_both, problems, small  # noqa: F401 - a fixture


def test_two_data_nodes_and_a_witness_split_and_any_one_of_them_may_die(small):  # noqa: F811
    first, second, witness = small.nodes
    count = shards(first)
    with Ledger(small.nodes, threads=6) as ledger:
        ledger.wait_for_more()
        for more in (2, 4):
            split(first)
            for node in small.nodes:
                wait_for(lambda node=node, more=more: is_split(node, more * count), "every node knows")
            ledger.wait_for_more()
        assert ledger.errors == []
        status = first.status()
        assert leads(status, 3) == []
        votes = [{r["node"] for r in shard["replicas"]} for shard in status["shards"]]
        assert votes == [{1, 2, 3}] * 4 * count, "the witness votes in each of them"
        for dies, stays in [(first, second), (second, first), (witness, first)]:
            wait_for(on_both(small.nodes), "both have everything")
            dies.kill()
            ledger.wait_for_more(500)
            ledger.check(stays)
            small.restart(dies)
            small.wait_healthy()
    wait_for(on_both(small.nodes), "both have everything")
    for node in small.nodes:
        ledger.check(node)
    consistent(small)


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("dies", [0, 1, 2], ids=["first", "second", "witness"])
def test_a_split_beside_a_witness_goes_on_with_two_of_three(small, dies, after):  # noqa: F811
    victim = small.nodes[dies]
    asked, other = [node for node in small.nodes if node is not victim]
    count = shards(asked)
    with Ledger([asked, other], threads=4, value_size=2000) as ledger:
        ledger.wait_for_more(500)
        wait_for(on_both(small.nodes), "both have everything")
        split(asked, "--no-wait")
        time.sleep(after)
        victim.kill()
        ledger.wait_for_more(50)
        wait_for(lambda: is_split(asked, 2 * count), "it goes on without one node")
        small.restart(victim)
        small.wait_healthy()
        # Each data node alone has everything, with the witness.
        for node in small.nodes[:2]:
            wait_for(on_both(small.nodes), "both have everything")
            node.kill()
            ledger.wait_for_more(50)
            small.restart(node)
            small.wait_healthy()
    assert not [error for error in ledger.errors if "MOVED" in error or "WRONG" in error]
    for node in small.nodes:
        wait_for(lambda node=node: is_split(node, 2 * count), "every node knows")
        ledger.check(node)
    consistent(small)


def test_all_die_in_a_split_beside_a_witness(small):  # noqa: F811
    asked, count = small.nodes[0], shards(small.nodes[0])
    with Ledger(small.nodes, threads=4) as ledger:
        ledger.wait_for_more(500)
        split(asked, "--no-wait")
        time.sleep(0.05)
        for node in small.nodes:
            node.kill()
    small.restart_all()
    small.wait_healthy()
    wait_for(lambda: is_split(asked, count) or is_split(asked, 2 * count), "all of it or nothing")
    for node in small.nodes:
        ledger.check(node)
    consistent(small)
    assert "no leader" not in problems(asked)


def follows(first, count: int):
    """Whether the learner zone has a copy of each group, and nothing moves."""
    def whole():
        far = zones(first)["far"]
        return far["copies"] == count + 1 and not first.status()["moves"]
    return whole


def test_a_learner_zone_follows_a_split_and_holds_nobody_up(new_cluster):
    cluster, far = with_far(new_cluster, nodes=1)
    first, learner, voters = cluster.nodes[0], far[0], cluster.nodes[:3]
    count = shards(first)
    with Ledger(voters, threads=6) as ledger:
        ledger.wait_for_more()
        split(first)
        for node in cluster.nodes:
            wait_for(lambda node=node: is_split(node, 2 * count), "every node knows")
        wait_for(follows(first, 2 * count), "the learner has a copy of each")
        roles = {(r["node"], r["role"]) for shard in first.status()["shards"] for r in shard["replicas"]}
        assert {role for node, role in roles if node == 4} == {"learner"}
        # What it has was made of its own rows: nothing was sent.
        assert learner.log_text().count("a new shard has a replica on this node") == count
        assert "a replica comes to this node" not in learner.log_text().split("a new shard has")[1]
        # One that is away while shards are split gets them afterwards.
        learner.kill()
        split(first)
        wait_for(lambda: is_split(first, 4 * count), "nobody waits for it")
        ledger.wait_for_more()
        cluster.restart(learner)
        wait_for(follows(first, 4 * count), "the learner has a copy of each", 120)
    assert ledger.errors == []
    caught_up(first)
    with learner.client() as client:
        client.execute_command("READONLY")
        found = {key: client.get(key) for key in list(ledger.acknowledged)[-300:]}
    assert found == {key: ledger.acknowledged[key] for key in found}
    for node in cluster.nodes:
        ledger.check(node)
    consistent(cluster)
    assert shards_command(first, "split", "--no-wait").returncode == 0
