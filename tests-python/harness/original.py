"""A real Redis beside the cluster, to see that a program gives the same results on both."""

import shutil
import subprocess
from pathlib import Path

from .cluster import PATIENCE, connect, wait_for
from .ports import free_port
from .programs import die_with_tests


def redis_server() -> str | None:
    return shutil.which("redis-server")


class Original:
    """One `redis-server`, with nothing kept on disk."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    def start(self) -> "Original":
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [redis_server(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no"]
        with open(self.folder / "redis.log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_tests
            )
        wait_for(lambda: connect(self.port).ping(), "redis-server answers")
        return self

    def destroy(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
