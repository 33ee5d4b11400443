"""The command line against real nodes: status, switchover, keyspace, demo."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.request

import pytest
import redis

from harness.cluster import connect, wait_for
from harness.ports import free_base


def run(program: str, *arguments: str, patience: float = 60) -> subprocess.CompletedProcess:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERSTORE_")}
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=patience, env=clean)


@pytest.fixture
def cluster(new_cluster):
    return new_cluster().start()


def at(node) -> list[str]:
    return ["--node", f"127.0.0.1:{node.port}"]


def test_status_tells_health_by_words_and_exit_code(everstore, cluster):
    first, second, third = cluster.nodes
    healthy = run(everstore, "status", *at(first))
    assert healthy.returncode == 0, healthy
    assert "healthy" in healthy.stdout
    third.kill()
    wait_for(lambda: cluster.leads_nothing(third), "the others lead")
    degraded = wait_for(
        lambda: (r := run(everstore, "status", *at(first))).returncode == 1 and r, "exit code 1"
    )
    assert "node 3 unreachable" in degraded.stdout
    assert "all shards still have 2 of 3 replicas" in degraded.stdout
    second.kill()
    gone = wait_for(lambda: (r := run(everstore, "status", *at(first))).returncode == 2 and r, "exit code 2")
    assert "1 of 3 replicas reachable, 2 needed" in gone.stdout
    first.kill()
    nobody = run(everstore, "status", *at(first))
    assert nobody.returncode == 2 and "no node answered" in nobody.stderr


def test_status_json_has_what_the_page_shows(everstore, cluster):
    status = json.loads(run(everstore, "status", "--json", *at(cluster.nodes[1])).stdout)
    assert status["problems"] == []
    assert [n["id"] for n in status["nodes"]] == [1, 2, 3]
    assert len(status["shards"]) == cluster.shards
    assert sum(s["slots"] for s in status["shards"]) == 16384
    assert {k["n"]: k["layout"] for k in status["keyspaces"]}[0] == "spread"
    assert status["keyspaces"][1]["layout"] == "single"
    assert all(n["sync_p99_us"] >= n["sync_p50_us"] for n in status["nodes"])


def test_status_tells_how_busy_the_thread_of_a_node_is(everstore, cluster):
    node = cluster.nodes[0]

    def busy() -> int:
        status = json.loads(run(everstore, "status", "--json", *at(node)).stdout)
        return next(one for one in status["nodes"] if one["redis_address"].endswith(f":{node.port}"))["busy_percent"]

    def load(stop: threading.Event):
        with connect(node.port) as client:
            while not stop.is_set():
                pipe = client.pipeline(transaction=False)
                for n in range(16):
                    pipe.bitcount(f"long:{n}")
                try:
                    pipe.execute()
                except redis.ConnectionError:
                    # Where a core is short a lease can end before a read is answered; the client connects again.
                    pass

    with connect(node.port) as client:
        for n in range(16):
            client.set(f"long:{n}", b"x" * 200_000)
    wait_for(lambda: busy() < 50, "a node that does nothing is not busy", 120)
    stop = threading.Event()
    threads = [threading.Thread(target=load, args=(stop,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: busy() >= 50, "a node with much to do is busy", 120)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_next_node_is_asked_if_one_is_gone(everstore, cluster):
    cluster.nodes[0].kill()
    both = ",".join(f"127.0.0.1:{n.port}" for n in cluster.nodes)
    wait_for(lambda: run(everstore, "status", "--node", both).returncode == 1, "another node answers")


def test_a_frozen_node_is_passed_over(everstore, cluster):
    frozen, other, _ = cluster.nodes
    os.kill(frozen.process.pid, signal.SIGSTOP)
    try:
        both = f"127.0.0.1:{frozen.port},127.0.0.1:{other.port}"
        wait_for(lambda: run(everstore, "status", "--node", both).returncode == 1, "the other node answers")
    finally:
        os.kill(frozen.process.pid, signal.SIGCONT)


def test_switchover_of_a_node_and_of_a_shard(everstore, cluster):
    status = cluster.nodes[0].status()
    leader = status["shards"][0]["leader"]
    other = next(n for n in (1, 2, 3) if n != leader)
    moved = run(everstore, "switchover", "--shard", "0", "--to", str(other), *at(cluster.nodes[0]))
    assert moved.returncode == 0, moved
    wait_for(lambda: cluster.nodes[0].status()["shards"][0]["leader"] == other, "the shard moved")
    emptied = run(everstore, "switchover", "--node", str(other), *at(cluster.nodes[0]))
    assert emptied.returncode == 0, emptied
    node = cluster.by_id(status, other)
    wait_for(lambda: cluster.leads_nothing(node), "the node leads nothing")


def test_keyspace_layout(everstore, cluster):
    node = cluster.nodes[0]
    done = run(everstore, "keyspace", "set", "5", "--layout", "spread", *at(node))
    assert (done.returncode, done.stdout) == (0, "OK\n")
    shown = json.loads(run(everstore, "keyspace", "get", "5", "--json", *at(node)).stdout)
    assert shown[0]["layout"] == "spread"
    assert shown[0]["reply_means"] == "on disk on a majority"
    words = ("--replication", "async", "--max-exposure-bytes", "4096", "--max-exposure-ms", "50")
    done = run(everstore, "keyspace", "set", "6", *words, *at(node))
    assert done.returncode == 0
    assert "keyspace 6 now means: in the leader's log file; a failover may drop at most 4096 bytes" in done.stdout
    told = run(everstore, "keyspace", "get", "6", *at(node)).stdout
    assert "a failover may drop at most 4096 bytes and 50 ms per shard" in told, told
    listed = run(everstore, "keyspace", "list", *at(node))
    assert re.search(r"^\s*5\s+spread", listed.stdout, re.M), listed.stdout
    with node.client(db=5) as client:
        client.set("k", "v")
    refused = run(everstore, "keyspace", "set", "5", "--layout", "single", *at(node))
    assert refused.returncode == 1 and refused.stderr.startswith("everstore: ")


def test_keyspace_cache(everstore, cluster):
    node = cluster.nodes[1]
    for words, policy in [((), "allkeys-lru"), (("ALLKEYS-LFU",), "allkeys-lfu"), (("noeviction",), "noeviction")]:
        assert run(everstore, "keyspace", "set", "7", "--cache", *words, *at(node)).returncode == 0
        shown = json.loads(run(everstore, "keyspace", "get", "7", "--json", *at(node)).stdout)
        assert shown[0]["cache"] == policy
        told = run(everstore, "keyspace", "list", *at(node)).stdout
        assert (f"keys may be evicted ({policy})" in told) == (policy != "noeviction"), told
    refused = run(everstore, "keyspace", "set", "7", "--cache", "lru", *at(node))
    assert refused.returncode == 2 and "policy 'lru' does not exist; allowed: noeviction" in refused.stderr
    with node.client() as client, pytest.raises(redis.ResponseError, match="policy 'lru' does not exist"):
        client.execute_command("KEYSPACE", "SET", 7, "CACHE", "lru")


def test_the_admin_port_answers(cluster):
    base = f"http://127.0.0.1:{cluster.nodes[0].admin_port}"
    assert urllib.request.urlopen(base + "/healthz", timeout=10).status == 200
    # The admin port tells what the node published last.
    wait_for(lambda: urllib.request.urlopen(base + "/readyz", timeout=10).status == 200, "it is ready", 10)
    metrics = urllib.request.urlopen(base + "/metrics", timeout=10).read().decode()
    assert re.search(r"^everstore_\w+(\{[^}]*\})? \d", metrics, re.M), metrics[:500]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--replicas", "2"], "allowed: 1 to 7 (odd)"),
        (["--port", "0"], "allowed: 1 to 65535"),
        (["--prot", "1"], "--port"),
        (["--config", "no-such-file.toml"], "no-such-file.toml"),
        (["--bootstrap", "--join", "127.0.0.1:1"], "give one of them"),
    ],
)
def test_bad_configuration_is_one_clear_line(everstore, arguments, words):
    refused = run(everstore, "serve", *arguments)
    assert refused.returncode == 2 and words in refused.stderr, refused.stderr


class Demo:
    """`everstore demo` as a person would run it."""

    def __init__(self, program: str, folder, base: int, *more: str):
        self.base = base
        self.log = folder.parent / "demo.log"
        command = [program, "demo", "--dir", str(folder), "--port", str(base), *more]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("EVERSTORE_")}
        self.process = subprocess.Popen(command, stdout=open(self.log, "wb"), stderr=subprocess.STDOUT, env=clean)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_ready(self) -> list[int]:
        def ready():
            assert self.process.poll() is None, self.text()
            return "Ctrl-C stops all nodes" in self.text()

        wait_for(ready, "the demo is ready", 90)
        rows = re.findall(r"^\s*\d+  127\.0\.0\.1:\d+ .*  (\d+)$", self.text(), re.M)
        return [int(pid) for pid in rows]

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demo(everstore, tmp_path):
    started = []
    base = free_base(3, 100)

    def start(*more: str) -> Demo:
        started.append(Demo(everstore, tmp_path / "data", base, *more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_output_that_nobody_reads_to_its_end(everstore):
    reader, writer = os.pipe()
    os.close(reader)
    outcome = subprocess.run([everstore, "config", "--print-default"], stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert outcome.stderr == b"", "no panic when the reader has gone"
    assert outcome.returncode == -signal.SIGPIPE


def test_demo_runs_stops_and_continues(demo):
    first = demo()
    pids = first.wait_ready()
    assert len(pids) == 3 and "3 nodes with 16 shards" in first.text()
    with connect(first.base) as client:
        client.set("greeting", "hello")
    assert first.interrupt() == 0
    assert not any(is_alive(pid) for pid in pids)
    second = demo()
    second.wait_ready()
    with connect(second.base + 2) as client:
        assert client.get("greeting") == "hello"
    assert second.interrupt() == 0


def test_demo_tells_of_a_death_and_how_to_mend_it(demo):
    running = demo()
    pids = running.wait_ready()
    os.kill(pids[1], signal.SIGKILL)
    wait_for(lambda: "node 2" in running.text() and "died: killed (SIGKILL)" in running.text(), "it is told")
    command = running.text().strip().splitlines()[-1].strip()
    with connect(running.base) as client:
        assert client.set("k", "v") is True
        mended = subprocess.Popen(command, shell=True, start_new_session=True, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: connect(running.base + 1).get("k") == "v", "the pasted command starts it again")
        finally:
            os.killpg(mended.pid, signal.SIGTERM)
            mended.wait(60)
    assert running.interrupt() == 0


def test_nodes_do_not_outlive_a_killed_demo(demo):
    running = demo()
    pids = running.wait_ready()
    running.process.kill()
    running.process.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in pids), "all nodes end")


def test_demo_refuses_a_port_in_use(everstore, demo, tmp_path):
    running = demo()
    running.wait_ready()
    started = time.monotonic()
    refused = run(everstore, "demo", "--dir", str(tmp_path / "other"), "--port", str(running.base))
    assert refused.returncode == 2
    assert refused.stderr == (
        f"everstore: port {running.base} is in use: stop what listens there, or choose another --port\n"
    )
    assert time.monotonic() - started < 60
    assert running.interrupt() == 0


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
def test_redis_cli(shared_ports):
    def cli(*arguments: str) -> str:
        command = ["redis-cli", "-p", str(shared_ports[-1]), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()

    assert cli("SET", "from-cli", "1") == "OK"
    assert cli("INCR", "from-cli") == "2"
    assert cli("-3", "GET", "from-cli") == "2"
    assert cli("GET", "absent-key") == ""
    assert "redis_version:7.0" in cli("INFO", "server")
    assert cli("-n", "3", "SET", "k", "v") == "OK"
    assert "from-cli" in cli("--scan", "--pattern", "from-*")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_parse(everstore, shell, tmp_path):
    made = subprocess.run([everstore, "completions", shell], capture_output=True, text=True, check=True)
    assert "switchover" in made.stdout and "recover" in made.stdout
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    script = tmp_path / "everstore"
    script.write_text(made.stdout)
    subprocess.run([program, "-n", str(script)], check=True, timeout=60)


def test_bash_completes_commands(everstore, tmp_path):
    made = subprocess.run([everstore, "completions", "bash"], capture_output=True, text=True, check=True)
    script = tmp_path / "everstore.bash"
    script.write_text(made.stdout)
    ask = f"""source {script}; COMP_WORDS=(everstore sw); COMP_CWORD=1
              _everstore everstore sw everstore; echo "${{COMPREPLY[*]}}" """
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "switchover"
