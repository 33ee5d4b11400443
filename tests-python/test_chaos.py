"""Random kills, stops and restarts under load; the history that clients recorded is checked."""

import pytest

from harness import chaos
from harness.chaos import Chaos
from harness.history import History
from harness.verdict import check

SMALL = ("--segment-size", "32mb", "--checkpoint-log-share", "8mb")


@pytest.mark.timeout(chaos.seconds(0) + 240)
def test_kills_stops_and_restarts(new_cluster, tmp_path):
    seed = chaos.seed("kills")
    # With long values and little log, checkpoints and snapshots come into it.
    fat = 6000 if seed % 2 else 0
    cluster = new_cluster(flags=SMALL if fat else ()).start()
    with History(tmp_path / "history.jsonl", cluster.nodes, seed, fat=fat) as history:
        history.wait_for_more()
        faults = Chaos(cluster, seed).run(chaos.seconds(10)).heal()
        history.wait_for_more()
    history.finish()
    check(history, faults.injected)
    assert sum(faults.injected.values()) >= 5


class Moving(Chaos):
    """Nodes come back at other addresses; all of them when all were killed."""

    def restart(self, node):
        node.take_ports()
        super().restart(node)


@pytest.mark.timeout(chaos.seconds(0) + 240)
def test_restarts_on_other_ports(new_cluster, tmp_path):
    seed = chaos.seed("moves")
    cluster = new_cluster().start()
    with History(tmp_path / "history.jsonl", cluster.nodes, seed) as history:
        history.wait_for_more()
        faults = Moving(cluster, seed, {"kill": 4, "terminate": 2, "kill_all": 1, "quiet": 3})
        faults.kill_all()
        faults.run(chaos.seconds(4)).heal()
        history.wait_for_more()
    history.finish()
    check(history, faults.injected)
