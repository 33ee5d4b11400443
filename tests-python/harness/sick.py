"""Sick disks under real nodes: syncs that are slow or fail, and a small file system that fills up."""

import os
import shutil
import subprocess
from pathlib import Path

from .cluster import Node

SOURCE = Path(__file__).parent.parent / "faultfs" / "sick.c"


class Unavailable(Exception):
    """Why this machine cannot have a sick disk."""


class SickDisk:
    """Makes the syncs of one node slow, or lets them fail, from now on and while it runs; with `under` only
    those of files below that folder."""

    def __init__(self, node: Node, folder: Path, under: Path | None = None):
        compiler = shutil.which("cc")
        if compiler is None:
            raise Unavailable("there is no C compiler (cc) to build the fault layer")
        library = folder / "sick.so"
        if not library.exists():
            command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
            subprocess.run(command, check=True)
        self.control = folder / f"sick-{node.number}"
        self.heal()
        node.env |= {"LD_PRELOAD": str(library), "SICK_CONTROL": str(self.control)}
        if under is not None:
            node.env["SICK_UNDER"] = str(under)

    def heal(self):
        self._say("0 0")

    def slow(self, ms: int):
        self._say(f"{ms} 0")

    def fail(self):
        self._say("0 1")

    def _say(self, text: str):
        # As a whole: the node may read it at any moment.
        temporary = self.control.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(self.control)


class SmallDisk:
    """A file system in memory under the data folder of one node."""

    def __init__(self, node: Node, megabytes: int):
        self.folder = node.folder
        self.folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "everstore-test", str(self.folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as error:
            raise Unavailable("there is no program mount") from error
        if done.returncode != 0:
            raise Unavailable(f"a file system cannot be mounted here: {done.stderr.strip()}")
        # Not in the data folder itself: a node refuses a new folder that holds files of others.
        self.filler = self.folder / "log" / "filler"

    def fill(self):
        """Takes all that is free."""
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass

    def free(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=False)
        os.makedirs(self.folder, exist_ok=True)
