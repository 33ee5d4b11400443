"""Programs of an application as processes of their own, and the journals they write."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from .cluster import PATIENCE

TESTS = Path(__file__).parent.parent
PR_SET_PDEATHSIG = 1


def die_with_tests():
    """For `preexec_fn`: whatever ends the tests, nothing of them goes on. Linux only; elsewhere fixtures end it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One process of `python -m module`. It writes its journal, a JSON object per line, to a file."""

    def __init__(self, folder: Path, name: str, module: str, *arguments: str):
        self.name = name
        self.journal = folder / f"{name}.jsonl"
        self.output = folder / f"{name}.out"
        command = [sys.executable, "-m", module, *arguments]
        env = os.environ | {"APP_JOURNAL": str(self.journal), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=TESTS,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_tests,
            )

    def runs(self) -> bool:
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)

    def ask_to_end(self):
        self.process.send_signal(signal.SIGTERM)

    def finish(self, patience: float = PATIENCE):
        """It ends, or has ended, by itself and without an error."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end; it said:\n{self.said()}") from None
        assert code == 0, f"{self.name} ended with {code}; it said:\n{self.said()}"

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-4000:]

    def events(self) -> list[dict]:
        """What it wrote so far; of a killed one the last line may be torn."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_text().split("\n")
        return [json.loads(line) for line in lines[:-1]]


class Programs:
    def __init__(self, folder: Path):
        self.folder = folder
        self.started: list[Program] = []

    def start(self, name: str, module: str, *arguments) -> Program:
        self.started.append(Program(self.folder, name, module, *map(str, arguments)))
        return self.started[-1]

    def events(self, kind: str) -> list[dict]:
        """The events of one kind in all journals."""
        return [event for program in self.started for event in program.events() if event["event"] == kind]

    def all_run(self) -> bool:
        ended = [p for p in self.started if not p.runs() and p.process.returncode]
        unexpected = [p for p in ended if p.process.returncode != -signal.SIGKILL]
        assert not unexpected, f"{unexpected[0].name} ended by itself; it said:\n{unexpected[0].said()}"
        return True

    def destroy(self):
        for program in self.started:
            if program.runs():
                program.kill()
