"""Power cuts: what was not synced is lost, torn or reordered; nothing acknowledged is, and every node returns."""

import random
import time
from collections import Counter

import pytest

from harness import chaos, unsynced
from harness.chaos import Chaos
from harness.history import History
from harness.second_opinion import complaints
from harness.unsynced import Layer
from harness.verdict import check

# Small, so that segments change and shards are checkpointed within seconds.
FLAGS = ("--segment-size", "32mb", "--checkpoint-log-share", "8mb", "--quorum-timeout", "2s")


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    try:
        return unsynced.build(tmp_path_factory.mktemp("faultfs"))
    except unsynced.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def layer(library, tmp_path) -> Layer:
    layer = Layer(library, tmp_path / "root", tmp_path / "journal")
    layer.root.mkdir()
    return layer


def all_lost(layer: Layer) -> unsynced.PowerCut:
    return layer.power_cut(random.Random(0), keep=0.0, whole=True)


def run(layer: Layer, code: str):
    done = layer.run_python("import os, sys\nos.chdir(sys.argv[1])\n" + code, str(layer.root))
    assert done.returncode == 0, done.stderr


def tree(layer: Layer) -> dict[str, bytes]:
    return {str(p.relative_to(layer.root)): p.read_bytes() for p in layer.root.rglob("*") if p.is_file()}


class TestTheLayerItself:
    """Exactly what was not synced is lost."""

    def test_writes(self, layer):
        (layer.root / "a").write_bytes(b"0" * 3000)
        run(layer, """
f = os.open("a", os.O_RDWR)
os.pwrite(f, b"synced", 100); os.fsync(f)
os.pwrite(f, b"lost", 100); os.pwrite(f, b"lost", 2998); os.write(f, b"lost"); os.writev(f, [b"lo", b"st"])
os.pwritev(f, [b"lo", b"st"], 5000); os.ftruncate(f, 50)
g = os.open("b", os.O_WRONLY | os.O_CREAT); os.write(g, b"new"); os.fdatasync(g); os.write(g, b"lost")
os.fsync(os.open(".", os.O_RDONLY))
""")
        cut = all_lost(layer)
        assert tree(layer) == {"a": b"0" * 100 + b"synced" + b"0" * 2894, "b": b"new"}
        assert cut.journaled["other"] >= 9 and cut.unmodelled == []

    def test_direct_writes(self, layer):
        run(layer, """
import mmap
block = mmap.mmap(-1, 8192)
try:
    f = os.open("a", os.O_RDWR | os.O_CREAT | os.O_DIRECT)
except OSError:
    f = os.open("a", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(f, 0, 16384)
block.write(b"s" * 8192); os.pwritev(f, [block], 4096); os.fdatasync(f)
block.seek(0); block.write(b"l" * 8192); os.pwritev(f, [block], 8192)
os.fsync(os.open(".", os.O_RDONLY))
""")
        all_lost(layer)
        assert tree(layer) == {"a": bytes(4096) + b"s" * 8192 + bytes(4096)}

    def test_names(self, layer):
        for name in "abcd":
            (layer.root / name).write_bytes(name.encode())
        run(layer, """
os.rename("a", "synced"); os.unlink("d"); os.mkdir("made"); os.fsync(os.open(".", os.O_RDONLY))
os.rename("b", "c"); os.rename("synced", "lost"); os.open("new", os.O_CREAT | os.O_WRONLY); os.unlink("lost")
os.close(os.open("made/file", os.O_CREAT | os.O_WRONLY)); os.mkdir("never"); os.unlink("made/file")
""")
        all_lost(layer)
        assert tree(layer) == {"synced": b"a", "b": b"b", "c": b"c"}
        assert (layer.root / "made").is_dir() and not (layer.root / "never").exists()

    def test_overwriting_by_opening(self, layer):
        (layer.root / "a").write_bytes(b"old")
        run(layer, "f = open('a', 'w'); f.write('lost'); f.close()")
        all_lost(layer)
        assert tree(layer) == {"a": b"old"}

    def test_copies(self, layer):
        (layer.root / "a").write_bytes(b"from" * 100)
        (layer.root / "b").write_bytes(b"to" * 100)
        run(layer, """
a, b = os.open("a", os.O_RDONLY), os.open("b", os.O_RDWR)
os.copy_file_range(a, b, 400); os.sendfile(b, a, 0, 400)
""")
        all_lost(layer)
        assert tree(layer)["b"] == b"to" * 100

    def test_the_journal_goes_on_after_a_restart(self, layer):
        run(layer, "f = os.open('a', os.O_RDWR | os.O_CREAT); os.pwrite(f, b'lost', 0)")
        run(layer, "f = os.open('a', os.O_RDWR); os.pwrite(f, b'x', 9)")
        assert all_lost(layer).unsynced["other"] == 3
        assert tree(layer) == {}
        run(layer, "f = os.open('a', os.O_RDWR | os.O_CREAT); os.pwrite(f, b'kept', 0)")
        run(layer, "os.fsync(os.open('a', os.O_RDWR)); os.fsync(os.open('.', os.O_RDONLY))")
        all_lost(layer)
        assert tree(layer) == {"a": b"kept"}

    def test_a_failed_change_of_a_name_is_not_undone(self, layer):
        (layer.root / "a").write_bytes(b"a")
        (layer.root / "full").mkdir()
        (layer.root / "full" / "b").write_bytes(b"b")
        run(layer, """
for call in (lambda: os.rename("a", "full"), lambda: os.rmdir("full"), lambda: os.mkdir("full")):
    try:
        call()
    except OSError:
        continue
    raise SystemExit("it should have failed")
""")
        all_lost(layer)
        assert tree(layer) == {"a": b"a", "full/b": b"b"}

    def test_torn_writes_leave_whole_sectors_of_some_version(self, layer):
        (layer.root / "a").write_bytes(b"0" * 512 * 64)
        run(layer, "f = os.open('a', os.O_RDWR); [os.pwrite(f, c * 512 * 64, 0) for c in (b'1', b'2')]")
        layer.power_cut(random.Random(1), keep=0.5, whole=False)
        content = (layer.root / "a").read_bytes()
        sectors = Counter(content[i : i + 512] for i in range(0, len(content), 512))
        assert set(sectors) == {c * 512 for c in (b"0", b"1", b"2")}, "all three versions survive somewhere"

    def test_what_it_does_not_model_is_noticed(self, layer):
        (layer.root / "a").write_bytes(b"a")
        run(layer, "os.truncate('a', 0); os.link('a', 'b'); os.symlink('b', 'c')")
        assert [what[:4] for what in all_lost(layer).unmodelled] == ["trun", "link", "syml"]



class Cuts(Chaos):
    """Power cuts beside kills."""

    def __init__(self, cluster, number, layers: dict, faults=None):
        super().__init__(cluster, number, faults)
        self.layers = layers
        self.journaled, self.unsynced, self.undone = Counter(), Counter(), Counter()

    def cut(self):
        if node := self.victim():
            self.kill_node(node)
            self.lose(node)
            self.injected["cut"] += 1

    def cut_all(self):
        self.kill_all()
        for node in self.cluster.nodes:
            self.lose(node)
        self.injected["cut_all"] += 1

    def lose(self, node):
        cut = self.layers[node].power_cut(self.rng)
        assert cut.unmodelled == [], "the layer does not cover all that nodes do"
        self.journaled += cut.journaled
        self.unsynced += cut.unsynced
        self.undone += cut.undone


@pytest.fixture
def cuts(new_cluster, library):
    """A healthy cluster under the fault layer, and its power cuts."""

    def make(number: int, faults=None) -> Cuts:
        cluster = new_cluster(shards=4, flags=FLAGS)
        layers = {n: Layer(library, n.folder, n.folder.parent / f"node-{n.number}.journal") for n in cluster.nodes}
        for node, layer in layers.items():
            node.env = layer.env()
        cluster.start()
        return Cuts(cluster, number, layers, faults)

    return make


@pytest.mark.timeout(chaos.seconds(0) + 240)
def test_power_cuts_of_one_node_and_of_all_lose_nothing(cuts, tmp_path):
    seed = chaos.seed("power cuts")
    faults = cuts(seed, {"cut": 6, "cut_all": 3, "kill": 1, "pause": 1, "absence": 1, "quiet": 4})
    cluster = faults.cluster
    with History(tmp_path / "history.jsonl", cluster.nodes, seed, fat=4000) as history:
        history.wait_for_more(1500)
        for cut in (faults.cut_all, faults.cut, faults.cut_all):
            cut()
            faults.heal()
            history.wait_for_more(500)
        faults.run(chaos.seconds(0)).heal()
        history.wait_for_more()
        time.sleep(0.2)
        faults.cut_all()
        faults.heal()
    history.finish()
    print(f"changes journaled {dict(faults.journaled)}, unsynced {dict(faults.unsynced)}, undone {dict(faults.undone)}")
    check(history, faults.injected)
    assert faults.journaled["log"] > 0, "the log's writes went through the layer"
    assert faults.journaled["rows"] > 0, "the row store's writes went through the layer"
    # A quick disk may have synced all of the log at each cut; names and sizes are always on their way.
    assert sum(faults.undone.values()) > 0, "something was lost"


def test_disks_that_lie_about_a_sync_are_found_out(cuts, tmp_path):
    """What is promised rests on syncs: without them the check of the history must complain."""
    faults = cuts(0)
    cluster = faults.cluster
    with History(tmp_path / "history.jsonl", cluster.nodes, 0) as history:
        history.wait_for_more(500)
        # The same moment on all nodes as near as can be, so that none is behind the others' memory of it.
        lies_from = {node: layer.position() for node, layer in faults.layers.items()}
        history.wait_for_more(500)
        faults.kill_all()
    for node, layer in faults.layers.items():
        layer.power_cut(faults.rng, keep=0.0, whole=True, lies_from=lies_from[node])
    faults.heal()
    history.finish()
    found = complaints(history.path)
    assert any("missing" in text for text in found) and any("after" in text for text in found), found[:5]
