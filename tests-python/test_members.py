"""Forming a cluster, and who is kept out of it."""

import os
import shutil
import socket

import pytest
import redis

from harness.cluster import Node, wait_for


def test_data_commands_wait_for_the_cluster_to_form(new_cluster):
    cluster = new_cluster()
    first, second, third = cluster.nodes
    first.start("--bootstrap", "--replicas", "3", "--shards", "4")
    wait_for(cluster.secret_file.exists, "a secret")
    with first.client() as client:
        wait_for(client.ping, "PING is answered")
        with pytest.raises(redis.RedisError, match="CLUSTERDOWN|forming: 1 of 3 nodes"):
            client.execute_command("SET", "k", "v")
        cluster.join(second)
        wait_for(lambda: second.status()["forming"] == {"joined": 2, "needed": 3}, "two of three")
        cluster.join(third)
        cluster.wait_healthy()
        wait_for(lambda: client.set("k", "v"), "writes are taken")


def test_one_replica_is_allowed_and_said(new_cluster):
    cluster = new_cluster(count=1).start()
    node = cluster.nodes[0]
    with node.client() as client:
        assert client.set("k", "v") is True
        assert client.wait(0, 100) == 0
    node.kill()
    cluster.restart(node)
    cluster.wait_healthy()
    with node.client() as client:
        assert client.get("k") == "v"


def test_the_secret_may_come_from_the_environment(new_cluster):
    cluster = new_cluster()
    first, *others = cluster.nodes
    first.start("--bootstrap", "--replicas", "3", "--shards", "2")
    wait_for(cluster.secret_file.exists, "a secret")
    secret = cluster.secret_file.read_text().strip()
    for node in others:
        node.start("--join", cluster.seeds(node), env={"EVERSTORE_SECRET": secret})
    cluster.wait_healthy()


def test_a_node_with_another_secret_is_refused(new_cluster, tmp_path):
    cluster = new_cluster().start()
    wrong = tmp_path / "wrong-secret"
    wrong.write_text(os.urandom(32).hex())
    stranger = Node(9, tmp_path / "stranger")
    stranger.start("--join", cluster.seeds(stranger), "--secret-file", str(wrong))
    assert stranger.end() == 2
    assert "secret" in stranger.log_text()
    assert len(cluster.nodes[0].status()["nodes"]) == 3


def test_a_stranger_on_the_peer_port_is_cut_off(new_cluster):
    cluster = new_cluster().start()
    port = cluster.nodes[0].peer_port
    for greeting in (b"GET / HTTP/1.1\r\n\r\n", b"*1\r\n$4\r\nPING\r\n", os.urandom(4096), b"\xff" * 64):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
            link.sendall(greeting)
            try:
                while link.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    # One that says nothing does not hold anything up either.
    with socket.create_connection(("127.0.0.1", port), timeout=30), cluster.nodes[0].client() as client:
        assert client.set("k", "v") is True
    cluster.wait_healthy()


def test_a_later_node_gets_its_share_and_forwards_before(new_cluster, tmp_path):
    cluster = new_cluster().start()
    fourth = Node(4, tmp_path / "node-4")
    fourth.start("--join", cluster.seeds(fourth), "--secret-file", str(cluster.secret_file))
    try:
        wait_for(lambda: len(cluster.nodes[0].status()["nodes"]) == 4, "it is a member")
        with cluster.nodes[0].client() as client, fourth.client() as through_fourth:
            client.set("k", "v")
            wait_for(lambda: through_fourth.get("k") == "v", "it forwards")
            # 9 groups of 3 replicas, on 4 nodes.
            wait_for(lambda: cluster.nodes[0].status()["nodes"][3]["seats"] >= 6, "it has its share")
            assert through_fourth.get("k") == "v"
    finally:
        fourth.kill()


def test_later_nodes_keep_their_ids(new_cluster, tmp_path):
    cluster = new_cluster().start()
    fourth, fifth = Node(4, tmp_path / "node-4"), Node(5, tmp_path / "node-5")
    watcher = cluster.nodes[1]

    def ids() -> dict[int, str]:
        return {n["id"]: n["redis_address"] for n in watcher.status()["nodes"] if n["state"]["state"] == "up"}

    try:
        # Both at once: each gets an id of its own.
        for node in (fourth, fifth):
            node.start("--join", cluster.seeds(node), "--secret-file", str(cluster.secret_file))
        wait_for(lambda: sorted(ids()) == [1, 2, 3, 4, 5], "both are members")
        before = ids()
        assert {before[4], before[5]} == {f"127.0.0.1:{node.port}" for node in (fourth, fifth)}
        fourth.kill()
        wait_for(lambda: len(ids()) == 4, "it is missed")
        fourth.start()
        wait_for(lambda: ids() == before, "it comes back under its id")
        assert all(len(shard["replicas"]) == 3 for shard in watcher.status()["shards"])
    finally:
        fourth.kill()
        fifth.kill()


def test_an_older_copy_of_a_folder_is_refused(new_cluster):
    """Safety rule 2: what it promised since the copy was made is not in it."""
    cluster = new_cluster().start()
    victim = cluster.nodes[2]
    copy = cluster.folder / "copy"
    assert victim.stop() == 0
    shutil.copytree(victim.folder, copy)
    cluster.restart(victim)
    cluster.wait_healthy()
    victim.kill()
    shutil.rmtree(victim.folder)
    copy.rename(victim.folder)
    before = len(victim.log_text())
    # Its next incarnation is the one the others have seen, of another process.
    cluster.restart(victim)
    assert victim.end() == 2
    reason = victim.log_text()[before:].strip().splitlines()[-1]
    assert reason.startswith("everstore: this node can not take part: ") and "node 3" in reason, reason
    with cluster.nodes[0].client() as client:
        assert client.set("k", "v") is True


def test_a_password_is_asked_for(new_cluster):
    cluster = new_cluster(count=1, flags=("--requirepass", "open sesame"))
    node = cluster.nodes[0]
    node.start("--bootstrap", "--replicas", "1", *cluster.flags)
    wait_for(lambda: node.client(password="open sesame").ping(), "the password is taken")
    with node.client() as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with node.client(password="wrong") as client, pytest.raises(redis.AuthenticationError):
        client.ping()
