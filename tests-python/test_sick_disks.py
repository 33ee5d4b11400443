"""Disks that are slow, full or failing under a leader: clients of other nodes see a pause and no error."""

import time

import pytest

from harness.cluster import Cluster, Node, wait_for
from harness.ledger import Ledger
from harness.sick import SickDisk, SmallDisk, Unavailable

# Longest pause that a client of another node may see, in seconds.
LONGEST_GAP = 3.0


def sick_disk(node: Node, tmp_path) -> SickDisk:
    try:
        return SickDisk(node, tmp_path)
    except Unavailable as why:
        pytest.skip(str(why))


def others(cluster: Cluster, node: Node) -> list[Node]:
    return [other for other in cluster.nodes if other is not node]


def problems(node: Node) -> str:
    return "\n".join(problem["text"] for problem in node.status()["problems"])


def leads_some(cluster: Cluster, node: Node) -> bool:
    status = cluster.running()[0].status()
    return any(s["leader"] and cluster.by_id(status, s["leader"]) is node for s in status["shards"])


def with_sick_disk(new_cluster, tmp_path):
    """A cluster, a node of it that leads a part, and the disk of that node."""
    cluster = new_cluster(shards=6)
    victim = cluster.nodes[1]
    disk = sick_disk(victim, tmp_path)
    cluster.start()
    wait_for(lambda: leads_some(cluster, victim), "the victim leads its part")
    return cluster, victim, disk


def test_a_slow_leader_hands_over_and_leads_again_when_it_was_quick_for_long(new_cluster, tmp_path):
    cluster, victim, disk = with_sick_disk(new_cluster, tmp_path)
    with Ledger(others(cluster, victim)) as ledger:
        ledger.wait_for_more()
        disk.slow(200)
        began = time.monotonic()
        wait_for(lambda: cluster.leads_nothing(victim), "it hands over")
        took = time.monotonic() - began
        ledger.wait_for_more()
        assert "its disk is far slower than the others'" in problems(cluster.nodes[0])
        disk.heal()
        healed = time.monotonic()
        wait_for(lambda: leads_some(cluster, victim), "it leads again", patience=90)
        rested = time.monotonic() - healed
        ledger.wait_for_more()
        ledger.stop()
        print(f"handed over after {took:.1f} s, longest gap {ledger.longest_gap:.1f} s, back after {rested:.0f} s")
        assert not ledger.errors, ledger.errors[:3]
        # The first reading of the status and a loaded machine are in it.
        assert took < LONGEST_GAP + 1
        assert ledger.longest_gap < LONGEST_GAP
        assert rested > 20, "leadership comes back slowly"
        ledger.check(cluster.nodes[0])


def test_a_leader_whose_sync_fails_stops_and_the_others_know_why(new_cluster, tmp_path):
    cluster, victim, disk = with_sick_disk(new_cluster, tmp_path)
    with Ledger(others(cluster, victim)) as ledger:
        ledger.wait_for_more()
        disk.fail()
        assert victim.end() == 1
        ledger.wait_for_more()
        last = victim.log_text().strip().splitlines()[-1]
        assert "the node stops at once" in last and "Input/output error" in last, last
        for node in others(cluster, victim):
            wait_for(lambda n=node: "node 2 unreachable" in problems(n), "it is missed")
            assert "it stopped: the log has failed" in problems(node), problems(node)
            assert "Input/output error" in problems(node)
        disk.heal()
        cluster.restart(victim)
        cluster.wait_healthy()
        assert "it stopped" not in problems(cluster.nodes[0])
        ledger.wait_for_more()
        ledger.stop()
        print(f"longest gap {ledger.longest_gap:.1f} s")
        assert not ledger.errors, ledger.errors[:3]
        assert ledger.longest_gap < LONGEST_GAP
        ledger.check(victim)


FULL_FLAGS = ("--segment-size", "32mb", "--checkpoint-log-share", "8mb")


@pytest.fixture
def small_disk():
    made = []

    def make(node: Node, megabytes: int) -> SmallDisk:
        try:
            made.append(SmallDisk(node, megabytes))
        except Unavailable as why:
            pytest.skip(str(why))
        return made[-1]

    yield make
    for disk in made:
        disk.unmount()


def test_a_full_leader_hands_over_and_recovers_by_itself(new_cluster, small_disk):
    cluster = new_cluster(shards=3, flags=FULL_FLAGS)
    victim = cluster.nodes[1]
    disk = small_disk(victim, 700)
    cluster.start()
    wait_for(lambda: leads_some(cluster, victim), "the victim leads its part")
    with Ledger(others(cluster, victim), value_size=20_000) as ledger:
        ledger.wait_for_more()
        disk.fill()
        # A leader notices when it needs the next segment.
        wait_for(lambda: "its disk is full" in problems(cluster.nodes[0]), "it says so")
        wait_for(lambda: cluster.leads_nothing(victim), "it hands over")
        # Far more than its log can take: the cluster goes on, and the full node lives.
        ledger.wait_for_more(6000)
        assert victim.runs(), victim.log_text()[-2000:]
        assert cluster.leads_nothing(victim)
        with victim.client() as client:
            assert client.set("through the full node", "is forwarded")
        disk.free()
        wait_for(lambda: leads_some(cluster, victim), "with room it leads again by itself")
        ledger.wait_for_more()
        ledger.stop()
        print(f"longest gap {ledger.longest_gap:.1f} s")
        assert not ledger.errors, ledger.errors[:3]
        assert ledger.longest_gap < LONGEST_GAP
        cluster.wait_healthy()
        ledger.check(victim)
