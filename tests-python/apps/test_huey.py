"""huey with its own consumer: tasks, pipelines, retries that are scheduled, tasks that are alone."""

import importlib
import os
import sys

import pytest

from harness.cluster import wait_for

pytest.importorskip("huey", reason="huey is not installed")

TASKS = 150
FEW = 5


@pytest.fixture(params=["on_redis", "on_cluster"])
def living(request):
    """The nodes of its clients live: what BRPOP took for a client whose node dies is gone, as in Redis."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def app(living, monkeypatch):
    monkeypatch.setitem(os.environ, "APP_PORTS", living.ports)
    monkeypatch.delitem(sys.modules, "apps.huey_app", raising=False)
    return importlib.import_module("apps.huey_app")


def at_last(result):
    """What the last try gave; each that fails leaves its error as a result."""
    from huey.exceptions import TaskException

    try:
        return result.get()
    except TaskException:
        result.reset()
        return None


def test_every_task_is_done(app, living, programs):
    options = ["-w", "2", "-k", "thread", "-d", "0.05", "-m", "0.2", "-s", "1"]
    for name in ("consumer0", "consumer1"):
        programs.start(name, "huey.bin.huey_consumer", "apps.huey_app.huey", *options)
    results = [app.square(n) for n in range(TASKS)]
    chained = [app.huey.enqueue(app.square.s(n).then(app.add, 1000)) for n in range(FEW)]
    again = [app.fail_at_first(f"tries:{n}") for n in range(FEW)]
    later = [app.square.schedule((n,), delay=1) for n in range(FEW)]
    living.trouble(rounds=2)
    more = [app.square(n) for n in range(TASKS)]
    assert [result.get(blocking=True, timeout=40) for result in results + more] == [n * n for n in range(TASKS)] * 2
    assert [group.get(blocking=True, timeout=40)[-1] for group in chained] == [n * n + 1000 for n in range(FEW)]
    assert [wait_for(lambda r=result: at_last(r), "a try succeeds") for result in again] == ["at last"] * FEW
    assert [result.get(blocking=True, timeout=40) for result in later] == [n * n for n in range(FEW)]
    assert programs.all_run() and all(program.runs() for program in programs.started)
    assert app.huey.pending_count() == app.huey.scheduled_count() == app.huey.result_count() == 0
    print(f"{len(living.lost_at)} leaders lost")
