"""The examples are run as a user would run them."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples" / "python"


@pytest.fixture
def cluster(new_cluster):
    return new_cluster().start()


def test_failover_example(cluster):
    command = [sys.executable, str(EXAMPLES / "failover.py"), "--node", f"127.0.0.1:{cluster.nodes[0].port}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "the key survived every change of leader" in ran.stdout
    assert ran.stdout.count("handed over") == 3


def test_ledger_example_while_nodes_are_killed(cluster):
    nodes = ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)
    command = [sys.executable, str(EXAMPLES / "ledger.py"), "--nodes", nodes, "--seconds", "15"]
    example = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert "kill one" in example.stdout.readline()
        for victim in cluster.nodes[:2]:
            victim.kill()
            cluster.restart(victim)
            cluster.wait_healthy()
        text, _ = example.communicate(timeout=120)
    finally:
        example.kill()
    assert example.returncode == 0, text
    assert "\n0 acknowledged writes lost" in text
