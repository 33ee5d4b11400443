"""Both checks of a recorded history, and the figures of the run."""

import shutil
import subprocess
from pathlib import Path

from .cluster import program
from .history import History
from .second_opinion import complaints


def check(history: History, injected: dict[str, int]):
    """Fails with what is wrong; the history stays beside the clusters' folders for a look."""
    print(f"faults {dict(injected)}; commands {history.counts}; acknowledged writes {history.acknowledged_writes}")
    found = complaints(history.path)
    assert not found, f"{keep(history.path)}: {len(found)} complaints: {found[:5]}"
    if knows_histories():
        judged = subprocess.run(
            [program(), "check-history", str(history.path)], capture_output=True, text=True, check=False
        )
        print(judged.stdout.strip())
        assert judged.returncode == 0, f"{keep(history.path)}: {judged.stdout}\n{judged.stderr}"
    assert history.acknowledged_writes > 0


def knows_histories() -> bool:
    told = subprocess.run([program(), "help"], capture_output=True, text=True, check=False)
    return "check-history" in told.stdout


def keep(path: Path) -> Path:
    """pytest removes folders of older runs; a history that convicts is worth more."""
    to = Path(path.parent.parent, f"convicted-{path.parent.name}.jsonl")
    shutil.copy(path, to)
    return to
