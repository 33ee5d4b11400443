"""Power cuts under real files: a preloaded library journals what was not synced, this plays it back.

`faultfs/unsynced.c` catches the system calls of a node that change files below its folder. After the node
was killed, `PowerCut` undoes changes that no sync covers: all of them, or some by a seeded coin.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "faultfs" / "unsynced.c"
SECTOR = 512
# `struct header` of unsynced.c.
HEADER = struct.Struct("<II6QII")
MAGIC = 0x6A6E7375
WRITE, SIZE, SYNC, CREATE, MAKE_DIR, RENAME, UNLINK, REMOVE_DIR, SYNC_DIR, UNMODELLED, CANCEL = range(1, 12)
NAMES = (CREATE, MAKE_DIR, RENAME, UNLINK, REMOVE_DIR)


class Unavailable(Exception):
    """Why there can be no fault layer here."""


def build(folder: Path) -> Path:
    """Compiles the library into `folder` and proves that a process runs under it."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Unavailable("there is no C compiler (cc) to build the fault layer")
    library = folder / "unsynced.so"
    command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        if "no fault layer for this processor" in made.stderr:
            raise Unavailable("the fault layer knows x86-64 and aarch64 only")
        raise AssertionError(f"the fault layer does not compile:\n{made.stderr}")
    probe = Layer(library, folder / "probe", folder / "probe.journal")
    probe.root.mkdir()
    tried = probe.run_python("pass")
    if tried.returncode != 0:
        raise Unavailable(f"seccomp is not permitted here: {tried.stderr.strip()}")
    return library


@dataclass
class Layer:
    """The fault layer of one folder. The journal goes on over restarts of its process."""

    library: Path
    root: Path
    journal: Path

    def __post_init__(self):
        self.root = Path(os.path.realpath(self.root.parent)) / self.root.name
        self.journal = Path(os.path.realpath(self.journal.parent)) / self.journal.name

    def env(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "UNSYNCED_ROOT": str(self.root),
            "UNSYNCED_JOURNAL": str(self.journal),
        }

    def run_python(self, code: str, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", code, *arguments]
        env = os.environ | self.env()
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    def power_cut(
        self,
        rng: random.Random,
        keep: float | None = None,
        whole: bool | None = None,
        lies_from: int = sys.maxsize,
    ) -> "PowerCut":
        """To be called when the process is gone. `keep`: the chance of an unsynced change to have reached
        the disk all the same; `whole`: changes live or die as a whole, not by sectors. Both drawn if not
        given. Syncs behind the position `lies_from` of the journal were lies. Afterwards what is there
        counts as durable and the journal is empty."""
        keep = rng.choice((0.0, 0.1, 0.5, 0.9)) if keep is None else keep
        whole = rng.random() < 0.3 if whole is None else whole
        cut = PowerCut(self, rng, keep, whole, lies_from)
        cut.play_back()
        shutil.rmtree(self.kept, ignore_errors=True)
        self.journal.unlink(missing_ok=True)
        return cut

    @property
    def kept(self) -> Path:
        return Path(f"{self.journal}.kept")

    def position(self) -> int:
        return self.journal.stat().st_size

    def records(self) -> list["Record"]:
        """All whole records; the last may have been cut by a kill, and its change was not made then."""
        data = self.journal.read_bytes() if self.journal.exists() else b""
        found, at = [], 0
        while at + HEADER.size <= len(data):
            magic, kind, total, inode, offset, length, old_size, had, path, other = HEADER.unpack_from(data, at)
            assert magic == MAGIC, f"{self.journal} is damaged at {at}"
            if at + total > len(data):
                break
            text = at + HEADER.size
            rest = text + path + other
            found.append(
                Record(at, kind, inode, offset, length, old_size, data[rest : rest + had],
                       data[text : text + path].decode(), data[text + path : rest].decode())
            )  # fmt: skip
            at += total
        return found


@dataclass
class Record:
    """One journaled change, or a sync."""

    position: int
    kind: int
    inode: int
    offset: int
    length: int
    old_size: int
    data: bytes
    path: str
    other: str

    def before(self, start: int, end: int) -> bytes:
        """What the file had there before this change; zeros are not stored."""
        part = self.data[start - self.offset : end - self.offset]
        return part + bytes(end - start - len(part))


@dataclass
class PowerCut:
    """One power cut of one folder, and what it did."""

    layer: Layer
    rng: random.Random
    keep: float
    whole: bool
    lies_from: int
    # Changes of log files, row files and others that went through the layer.
    journaled: Counter = field(default_factory=Counter)
    # Changes that no sync covered.
    unsynced: Counter = field(default_factory=Counter)
    # Sectors and names that were put back.
    undone: Counter = field(default_factory=Counter)
    unmodelled: list[str] = field(default_factory=list)

    def play_back(self):
        records = self.layer.records()
        cancelled = {r.offset for r in records if r.kind == CANCEL}
        synced, synced_dirs = {}, {}
        for record in records:
            if record.kind in (SYNC, SYNC_DIR) and record.position >= self.lies_from:
                continue
            if record.kind == SYNC:
                synced[record.inode] = max(record.offset, synced.get(record.inode, 0))
            elif record.kind == SYNC_DIR:
                synced_dirs[record.path] = max(record.offset, synced_dirs.get(record.path, 0))
            elif record.kind == UNMODELLED:
                self.unmodelled.append(record.path)
            elif record.kind != CANCEL:
                self.journaled[self.part(record.path)] += 1
        contents: dict[int, list[Record]] = {}
        names: list[Record] = []
        for record in records:
            if record.kind in (WRITE, SIZE) and record.position >= synced.get(record.inode, 0):
                contents.setdefault(record.inode, []).append(record)
            elif record.kind in NAMES and record.position not in cancelled and self.loose(record, synced_dirs):
                names.append(record)
        for record in (*names, *(r for changes in contents.values() for r in changes)):
            self.unsynced[self.part(record.path)] += 1
        files = self.files()
        for inode, changes in sorted(contents.items()):
            # A file whose removal is durable has no content to lose.
            if inode in files:
                self.undo_content(files[inode], changes)
        self.undo_names(names)

    def part(self, path: str) -> str:
        """`log`, `rows` or `other`."""
        first = Path(path).relative_to(self.layer.root).parts[:1]
        return first[0] if first and first[0] in ("log", "rows") else "other"

    @staticmethod
    def loose(record: Record, synced_dirs: dict[str, int]) -> bool:
        folders = {os.path.dirname(path) for path in (record.path, record.other) if path}
        return any(record.position >= synced_dirs.get(folder, 0) for folder in folders)

    def files(self) -> dict[int, Path]:
        """Where each inode can be reached, also those that lost their name."""
        found = {}
        for top in (self.layer.root, self.layer.kept):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = Path(folder, name)
                    found.setdefault(path.stat().st_ino, path)
        return found

    def undo_content(self, path: Path, changes: list[Record]):
        """From the newest change back, each sector stops at one of its versions; so does the size."""
        settled: set[int] = set()
        with open(path, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            size_settled = False
            for record in reversed(changes):
                kept = self.rng.random() < self.keep
                if record.kind == WRITE:
                    self.undo_write(file, record, settled, kept)
                if not size_settled:
                    size_settled = kept if self.whole else self.rng.random() < self.keep
                    if not size_settled and size != record.old_size:
                        size = record.old_size
                        self.undone["sizes"] += 1
            file.truncate(size)

    def undo_write(self, file, record: Record, settled: set[int], kept: bool):
        end = record.offset + record.length
        for sector in range(record.offset // SECTOR, (end + SECTOR - 1) // SECTOR):
            if sector in settled:
                continue
            if kept if self.whole else self.rng.random() < self.keep:
                settled.add(sector)
                continue
            start, stop = max(record.offset, sector * SECTOR), min(end, (sector + 1) * SECTOR)
            file.seek(start)
            file.write(record.before(start, stop))
            self.undone[self.part(record.path)] += 1

    def undo_names(self, names: list[Record]):
        """File systems order the changes of one folder: each folder loses those behind some point."""
        lost: dict[str, int] = {}
        for record in names:
            folder = os.path.dirname(record.path)
            if folder not in lost and self.rng.random() >= self.keep:
                lost[folder] = record.position
        for record in reversed(names):
            if record.position >= lost.get(os.path.dirname(record.path), sys.maxsize):
                self.undo_name(record)
                self.undone["names"] += 1

    def undo_name(self, record: Record):
        path = Path(record.path)
        kept = self.layer.kept / str(record.position)
        if not path.parent.is_dir():
            return
        if record.kind == CREATE:
            path.unlink(missing_ok=True)
        elif record.kind == MAKE_DIR:
            shutil.rmtree(path, ignore_errors=True)
        elif record.kind == REMOVE_DIR:
            path.mkdir(exist_ok=True)
        elif record.kind == RENAME:
            other = Path(record.other)
            if other.exists():
                other.rename(path)
            if kept.exists():
                kept.rename(other)
        elif record.kind == UNLINK and kept.exists():
            kept.rename(path)
