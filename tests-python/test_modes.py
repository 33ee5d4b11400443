"""Replication modes: switched while clients write, and what a failover may cost."""

import threading

import pytest

from harness.ledger import Ledger


@pytest.fixture
def cluster(new_cluster):
    return new_cluster().start()


def mode(client, keyspace):
    shown = client.execute_command("KEYSPACE", "GET", keyspace)
    pairs = shown if isinstance(shown, dict) else dict(zip(shown[::2], shown[1::2]))
    text = {k.decode() if isinstance(k, bytes) else k: v for k, v in pairs.items()}
    value = text["mode"]
    return value.decode() if isinstance(value, bytes) else value


def test_modes_are_switched_under_load(cluster):
    with cluster.nodes[0].client() as person, Ledger(cluster.nodes, keyspace=2) as ledger:
        for wanted in ["async", "sync", "async", "sync"]:
            ledger.wait_for_more()
            assert person.execute_command("KEYSPACE", "SET", 2, "REPLICATION", wanted)
            assert mode(person, 2) == wanted
        ledger.wait_for_more()
        for node in cluster.nodes:
            with node.client() as other:
                assert mode(other, 2) == "sync"
    assert ledger.errors == []
    for node in cluster.nodes:
        ledger.check(node)


class Writer(threading.Thread):
    """Writes keys one after the other and counts what was answered."""

    def __init__(self, node, keyspace):
        super().__init__(daemon=True)
        self.client = node.client(db=keyspace)
        self.answered = 0
        self.ends = threading.Event()

    def run(self):
        while not self.ends.is_set():
            try:
                self.client.set(f"w{self.answered}", "v" * 100)
            except Exception:
                return
            self.answered += 1


def test_a_failover_costs_at_most_the_exposure_and_sync_keyspaces_nothing(cluster):
    victim = cluster.busiest()
    others = [node for node in cluster.nodes if node is not victim]
    with others[0].client() as person:
        person.execute_command(
            "KEYSPACE", "SET", 1, "REPLICATION", "async", "MAX-EXPOSURE-BYTES", 65536
        )
    with Ledger(others, keyspace=0) as ledger:
        writer = Writer(victim, 1)
        writer.start()
        ledger.wait_for_more()
        victim.kill()
        ledger.wait_for_more(1000)
        writer.join(20)
        assert not writer.is_alive()
        cluster.restart(victim)
        cluster.wait_healthy()
    assert ledger.errors == []
    for node in cluster.nodes:
        ledger.check(node)
    assert writer.answered > 100
    with others[0].client(db=1) as reader:
        lost = sum(reader.exists(f"w{n}") == 0 for n in range(writer.answered))
    assert lost * 105 <= 65536, f"{lost} of {writer.answered} answered writes are lost"


def test_what_is_not_allowed_is_named(cluster):
    with cluster.nodes[1].client() as client:
        for words, text in [
            (("REPLICATION", "quorum"), "replication 'quorum' does not exist; allowed: sync, async"),
            (("MAX-EXPOSURE-MS", "1"), "max-exposure-ms '1' is not allowed; allowed: 10 to 60000"),
        ]:
            with pytest.raises(Exception, match=text):
                client.execute_command("KEYSPACE", "SET", 1, *words)
        with pytest.raises(Exception, match="keyspace 0 is sync"):
            client.execute_command("CLIENT", "REPLICATION", "async")
        assert client.execute_command("CLIENT", "REPLICATION", "sync")


def test_waitaof_counts_disks(cluster):
    with cluster.nodes[0].client() as person:
        person.execute_command("KEYSPACE", "SET", 1, "REPLICATION", "async")
        assert person.execute_command("COMMAND", "INFO", "waitaof")
        for keyspace in [0, 1]:
            for node in cluster.nodes:
                with node.client(db=keyspace) as client:
                    client.set(f"k{node.port}", "v")
                    assert client.execute_command("WAITAOF", 1, 2, 20000) == [1, 2]
                    # No cluster of three has a third follower: the end of the time is the end of the wait.
                    assert client.execute_command("WAITAOF", 1, 3, 50) == [1, 2]
        for args, text in [
            ((2, 0, 0), "value is out of range, value must between 0 and 1"),
            ((1, -1, 0), "value is out of range, must be positive"),
            ((1, 0, -1), "timeout is negative"),
            ((1, 0, "soon"), "timeout is not an integer or out of range"),
            ((1, 0), "wrong number of arguments"),
        ]:
            with pytest.raises(Exception, match=text):
                person.execute_command("WAITAOF", *args)
