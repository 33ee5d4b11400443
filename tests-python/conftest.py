"""Fixtures: a cluster shared by the tests that only use commands, and one of their own for the others."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.cluster import Cluster, connect, program  # noqa: E402


@pytest.fixture(scope="session")
def shared_ports(tmp_path_factory):
    """Redis ports of a healthy cluster. EVERSTORE_TEST_PORTS names one that runs already, or a real
    Redis, to check these tests against the original."""
    given = os.environ.get("EVERSTORE_TEST_PORTS")
    if given:
        yield [int(port) for port in given.split(",")]
        return
    cluster = Cluster(tmp_path_factory.mktemp("shared"))
    try:
        cluster.start()
        yield [node.port for node in cluster.nodes]
    finally:
        cluster.destroy()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def r(request, shared_ports):
    """A client of keyspace 0, empty, over either protocol."""
    client = connect(shared_ports[-1], protocol=request.param)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def single(shared_ports):
    """A client of keyspace 9, which is single: all multi-key commands work there."""
    client = connect(shared_ports[0], db=9)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def new_cluster(tmp_path, request):
    """Makes clusters that end with the test; their logs are shown if it fails."""
    made = []

    def make(**options) -> Cluster:
        cluster = Cluster(tmp_path / f"cluster-{len(made) + 1}", **options)
        cluster.folder.mkdir()
        made.append(cluster)
        return cluster

    yield make
    for cluster in made:
        report = getattr(request.node, "report", None)
        if report is not None and report.failed:
            print(cluster.logs())
        cluster.destroy()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.report = report
    return report


@pytest.fixture(scope="session")
def everstore():
    """Path of the program under test."""
    return program()
