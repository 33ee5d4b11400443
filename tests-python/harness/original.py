"""A real Redis in a folder of its own, beside the cluster."""

import shutil
import subprocess
from pathlib import Path

import pytest
import redis

from .cluster import wait_for
from .ports import free_port
from .programs import die_with_tests


class Original:
    """A `redis-server` process."""

    def __init__(self, folder: Path):
        if shutil.which("redis-server") is None:
            pytest.skip("there is no redis-server here")
        self.folder = folder
        self.port = 0
        self.process: subprocess.Popen | None = None

    @property
    def file(self) -> Path:
        return self.folder / "dump.rdb"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self, *flags: str) -> "Original":
        """Starts it; it loads the file that lies in its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--databases", "32"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*command, *flags], cwd=self.folder, stdout=log, stderr=log, preexec_fn=die_with_tests
            )
        wait_for(self.answers, "a Redis starts")
        return self

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        try:
            return self.client().ping()
        except redis.AuthenticationError:
            return True

    def client(self, db: int = 0, **options) -> redis.Redis:
        return redis.Redis(port=self.port, db=db, socket_timeout=60, **options)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")
