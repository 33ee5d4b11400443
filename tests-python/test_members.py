"""Forming a cluster, and who is kept out of it."""

import os
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


def test_a_later_node_waits_without_replicas(new_cluster, tmp_path):
    cluster = new_cluster().start()
    fourth = Node(4, tmp_path / "node-4")
    fourth.start("--join", cluster.seeds(fourth), "--secret-file", str(cluster.secret_file))
    try:
        wait_for(lambda: len(cluster.nodes[0].status()["nodes"]) == 4, "it is a member")
        assert cluster.nodes[0].status()["nodes"][3]["replicas"] == 0
        with cluster.nodes[0].client() as client, fourth.client() as through_fourth:
            client.set("k", "v")
            wait_for(lambda: through_fourth.get("k") == "v", "it forwards")
    finally:
        fourth.kill()


def test_a_password_is_asked_for(new_cluster):
    cluster = new_cluster(count=1, flags=("--requirepass", "open sesame"))
    node = cluster.nodes[0]
    node.start("--bootstrap", "--replicas", "1", *cluster.flags)
    wait_for(lambda: node.client(password="open sesame").ping(), "the password is taken")
    with node.client() as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    with node.client(password="wrong") as client, pytest.raises(redis.AuthenticationError):
        client.ping()
