"""Leaders die, freeze and step down under load; nothing acknowledged is lost and nobody sees an error."""

import signal

import pytest

from harness.cluster import wait_for
from harness.ledger import Ledger


@pytest.fixture
def cluster(new_cluster):
    return new_cluster().start()


def survivors(cluster, victim):
    return [node for node in cluster.nodes if node is not victim]


@pytest.mark.parametrize("keyspace", [0, 1], ids=["spread", "single"])
def test_kill_9_of_the_leader_under_load(cluster, keyspace):
    victim = cluster.busiest()
    with Ledger(survivors(cluster, victim), keyspace=keyspace) as ledger:
        ledger.wait_for_more()
        victim.kill()
        ledger.wait_for_more(1000)
        cluster.restart(victim)
        cluster.wait_healthy()
        ledger.wait_for_more()
    assert ledger.errors == [], "clients of surviving nodes see no error"
    for node in cluster.nodes:
        ledger.check(node)


def test_every_node_is_killed_once(cluster):
    """A writer through the victim sees its connection break; what it was promised holds all the same."""
    with Ledger(cluster.nodes, threads=6) as ledger:
        for victim in cluster.nodes:
            ledger.wait_for_more()
            victim.kill()
            ledger.wait_for_more(500)
            cluster.restart(victim)
            cluster.wait_healthy()
        ledger.wait_for_more()
    for node in cluster.nodes:
        ledger.check(node)


@pytest.mark.parametrize("keyspace", [0, 1], ids=["spread", "single"])
def test_a_frozen_leader_is_replaced_and_serves_nothing_stale(cluster, keyspace):
    victim = cluster.busiest()
    with Ledger(survivors(cluster, victim), keyspace=keyspace) as ledger:
        ledger.wait_for_more()
        victim.signal(signal.SIGSTOP)
        ledger.wait_for_more(1000)
        wait_for(lambda: cluster.leads_nothing(victim), "the others lead everything")
        with cluster.nodes[cluster.nodes.index(victim) - 1].client() as writer:
            writer.set("fresh", "new")
        victim.signal(signal.SIGCONT)
        with victim.client() as reader:
            assert reader.get("fresh") == "new", "a thawed leader must not answer from the past"
        ledger.wait_for_more()
    assert ledger.errors == [], "clients of surviving nodes see no error"
    cluster.wait_healthy()
    for node in cluster.nodes:
        ledger.check(node)


def test_failover_command_hands_everything_over(cluster):
    giver = cluster.busiest()
    with Ledger(cluster.nodes, threads=3) as ledger:
        ledger.wait_for_more()
        with giver.client() as client:
            assert client.execute_command("FAILOVER") in ("OK", True)
        wait_for(lambda: cluster.leads_nothing(giver), "the node leads nothing")
        ledger.wait_for_more()
    assert ledger.errors == [], "a planned change of leader is a pause, not an error"
    ledger.check(giver)


def test_sigterm_is_a_clean_stop(cluster):
    victim = cluster.busiest()
    with Ledger(survivors(cluster, victim)) as ledger:
        ledger.wait_for_more()
        assert victim.stop() == 0
        ledger.wait_for_more(500)
        cluster.restart(victim)
        cluster.wait_healthy()
    assert ledger.errors == []
    ledger.check(victim)


def test_without_a_majority_nothing_is_promised(new_cluster):
    cluster = new_cluster(flags=("--quorum-timeout", "1s")).start()
    last, *others = cluster.nodes
    with last.client() as client:
        client.set("k", "before")
        for node in others:
            node.kill()
        for command in (["SET", "k", "after"], ["GET", "k"]):
            with pytest.raises(Exception, match="1 of 3 replicas reachable, 2 needed|UNKNOWN") as refused:
                client.execute_command(*command)
            assert refused.value is not None
        cluster.restart(others[0])
        wait_for(lambda: client.get("k") in ("before", "after"), "the shard answers again")
        client.set("k", "again")
        assert client.get("k") == "again"
