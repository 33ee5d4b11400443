"""Flipped bits in the files of a stopped node: it refuses or is repaired; wrong data is never served."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import chaos
from harness.cluster import Cluster, Node, program, wait_for

FLAGS = ("--segment-size", "32mb", "--checkpoint-log-share", "8mb")
BATCH = b"EvB1"
KEYS = 200


class Data:
    """Keys whose values are known, rewritten from time to time."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.round = 0
        self.expected: dict[str, str] = {}

    def write(self):
        self.round += 1
        new = {f"key:{i}": f"{self.round}:{i}:" + "v" * 16_000 for i in range(KEYS)}
        with self.cluster.running()[0].client() as client:
            for start in range(0, KEYS, 50):
                keys = list(new)[start : start + 50]
                client.mset({k: new[k] for k in keys})
                self.expected |= {k: new[k] for k in keys}

    def check(self, node: Node):
        """Every key, through one node, which may still be catching up but never wrong."""
        keys = list(self.expected)
        with node.client() as client:
            for start in range(0, KEYS, 100):
                part = keys[start : start + 100]
                found = wait_for(lambda p=part: client.mget(p), f"node {node.number} answers")
                wrong = [k for k, v in zip(part, found, strict=True) if v != self.expected[k]]
                assert not wrong, f"wrong through node {node.number}: {wrong[:3]}"


def newest_segment(node: Node) -> Path:
    used = [p for p in (node.folder / "log").glob("seg-*.log") if p.read_bytes()[:8] == b"EverLog\n"]
    return max(used, key=lambda p: p.read_bytes()[16:24][::-1])


def in_a_batch(node: Node, rng: random.Random) -> tuple[Path, int]:
    """A byte of a batch of the newest segment that later batches prove to have been synced."""
    path = newest_segment(node)
    content = path.read_bytes()
    batches, at = [], 4096
    while content[at : at + 4] == BATCH:
        length = int.from_bytes(content[at + 12 : at + 16], "little")
        batches.append((at, 48 + length))
        at += (48 + length + 7) // 8 * 8
    # The head of the segment, one or more others, and those behind them that tell what was synced.
    assert len(batches) >= 5, f"{path} has no records"
    start, length = rng.choice(batches[1:-3])
    return path, start + rng.randrange(length)


def in_the_header(node: Node, rng: random.Random) -> tuple[Path, int]:
    return newest_segment(node), rng.randrange(96)


def in_a(pattern: str):
    def choose(node: Node, rng: random.Random) -> tuple[Path, int]:
        path = rng.choice(sorted((node.folder / "rows").glob(pattern)))
        return path, rng.randrange(path.stat().st_size)

    return choose


def in_the_identity(node: Node, rng: random.Random) -> tuple[Path, int]:
    path = node.folder / "node.toml"
    return path, rng.randrange(path.stat().st_size)


PLACES = {
    "batch of the log": in_a_batch,
    "header of a segment": in_the_header,
    "table of rows": in_a("*/tables/*"),
    "version of a tree": in_a("*/v*"),
    "current version of a tree": in_a("*/current"),
    "manifest of the trees": in_a("manifest"),
    "identity of the node": in_the_identity,
}


def flip(path: Path, at: int, bit: int):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << bit)]))


def answers(node: Node) -> bool:
    with node.client(socket_timeout=5) as client:
        return client.ping()


@pytest.mark.timeout(chaos.seconds(0) * 4 + 240)
def test_flipped_bits(new_cluster, tmp_path):
    """One place after another; with EVERSTORE_CHAOS_SECONDS again and again."""
    seed = chaos.seed("flips")
    rng = random.Random(f"flips:{seed}")
    rounds = 1 + int(chaos.seconds(0) / 20)
    cluster = new_cluster(shards=4, flags=FLAGS).start()
    data = Data(cluster)
    for _ in range(5):
        data.write()
    cluster_has_rows(cluster)
    outcomes = []
    for name, choose in list(PLACES.items()) * rounds:
        victim = rng.choice(cluster.nodes)
        if rng.random() < 0.5:
            victim.stop()
        else:
            victim.kill()
        path, at = choose(victim, rng)
        bit = rng.randrange(8)
        copy = shutil.copytree(victim.folder, tmp_path / "whole")
        print(f"{name}: node {victim.number}, {path.relative_to(cluster.folder)} byte {at} bit {bit}")
        flip(path, at, bit)
        before = len(victim.log_text())
        data.write()
        cluster.restart(victim)
        wait_for(lambda v=victim: not v.runs() or answers(v), "it refuses or serves")
        if victim.runs():
            outcomes.append((name, serves(cluster, victim, data)))
        else:
            outcomes.append((name, "refused"))
            print(f"refused: {victim.log_text()[before:].strip().splitlines()[-1]}")
            refuses(cluster, victim, data, path, victim.log_text()[before:])
            # It has promised nothing since, so the folder as it was is still its own.
            shutil.rmtree(victim.folder)
            copy.rename(victim.folder)
            cluster.restart(victim)
        shutil.rmtree(copy, ignore_errors=True)
        cluster.wait_healthy()
    print("; ".join(f"{name}: {outcome}" for name, outcome in outcomes))


def cluster_has_rows(cluster: Cluster):
    def written():
        return all(list((n.folder / "rows").glob("*/tables/*")) for n in cluster.nodes)

    wait_for(written, "every node has checkpointed a shard")


def refuses(cluster: Cluster, victim: Node, data: Data, path: Path, said: str):
    assert victim.end() != 0
    # Nor does it forget about it and start the next time.
    cluster.restart(victim)
    assert victim.end() != 0
    tree = path.relative_to(victim.folder / "rows").parts[0] if path.is_relative_to(victim.folder / "rows") else ""
    named = f"tree {tree} is damaged" if tree.isdigit() else path.name
    assert named in said, f"the reason does not name {named}:\n{said}"
    for node in cluster.running():
        data.check(node)


def serves(cluster: Cluster, victim: Node, data: Data) -> str:
    """It may be repaired, or serve what the others have; in the end it must carry its weight again."""
    for node in cluster.nodes:
        data.check(node)
    cluster.wait_healthy()
    wait_for(lambda: caught_up(cluster), "no replica is behind")
    other = next(n for n in cluster.nodes if n is not victim)
    other.kill()
    data.check(victim)
    cluster.restart(other)
    return "served rightly"


def caught_up(cluster: Cluster) -> bool:
    groups = [shard for node in cluster.running() for shard in node.status()["shards"]]
    return all(replica["lag"] == 0 for shard in groups for replica in shard["replicas"])


def test_a_scrub_finds_damage_and_mends_it_while_the_node_serves(new_cluster):
    cluster = new_cluster(shards=4, flags=(*FLAGS, "--scrub-rate", "1gb")).start()
    data = Data(cluster)
    for _ in range(5):
        data.write()
    cluster_has_rows(cluster)
    command = [program(), "scrub", "--node", f"127.0.0.1:{cluster.nodes[0].port}"]
    whole = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    victim = cluster.nodes[1]
    tables = [path for path in victim.folder.glob("rows/*/tables/*") if path.stat().st_size > 200]
    for path in tables:
        flip(path, path.stat().st_size // 3, 3)
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    print(found.stdout, found.stderr)
    assert found.returncode == 1
    said = next(n for n in cluster.nodes[0].status()["nodes"] if n["redis_address"].endswith(f":{victim.port}"))
    assert said["scrub_found"] >= 1 and said["scrub_damaged"] == 0, said
    assert victim.runs()
    # Also what it had is right again, and it can be relied on alone with one other.
    cluster.wait_healthy()
    assert serves(cluster, victim, data) == "served rightly"
    cluster.wait_healthy()
    mended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert mended.returncode == 0, mended.stdout
