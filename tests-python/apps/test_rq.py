"""RQ: jobs, retries, failures, jobs that wait for others and for a time; the same on Redis and on a cluster."""

import time
from datetime import timedelta

import pytest

from harness.cluster import wait_for

rq = pytest.importorskip("rq", reason="RQ is not installed")

from . import rq_jobs  # noqa: E402
from .rq_worker import connected  # noqa: E402

JOBS = 200
FEW = 5

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def enqueue(queue) -> dict[str, list]:
    squares = [queue.enqueue(rq_jobs.square, n) for n in range(JOBS)]
    return {
        "squares": squares,
        "failing": [queue.enqueue(rq_jobs.fail, f"wrong {n}") for n in range(FEW)],
        "again": [queue.enqueue(rq_jobs.fail_at_first, f"tries:{n}", retry=rq.Retry(max=5)) for n in range(FEW)],
        "waiting": [queue.enqueue(rq_jobs.add, *[job.id for job in squares[:10]], depends_on=squares[:10])],
        "later": [queue.enqueue_in(timedelta(seconds=1), rq_jobs.square, 1000)],
    }


def work(queue, store, programs):
    """Two workers while leaders are lost, and more until nothing is left, as a supervisor starts them."""
    workers = [programs.start(f"w{n}", "apps.rq_worker", f"w{n}", store.ports) for n in range(2)]
    wait_for(lambda: programs.all_run() and all(worker.events() for worker in workers), "the workers begin")
    store.trouble(rounds=2)
    for number in range(5):
        for worker in workers:
            worker.finish()
        left = put_back(queue)
        assert left == 0 or store.breaks, "each reply arrived, so no job was taken and not done"
        if queue.count == 0 and queue.scheduled_job_registry.count == 0:
            return
        time.sleep(1)
        workers = [programs.start(f"more{number}", "apps.rq_worker", f"more{number}", store.ports)]


def put_back(queue) -> int:
    """RQ moves a job to a second list when it takes it; there it stays if the reply is lost with the node."""
    left = queue.connection.lrange(queue.intermediate_queue_key, 0, -1)
    for job in left:
        queue.connection.lmove(queue.intermediate_queue_key, queue.key, "LEFT", "RIGHT")
        print("taken and not done:", job)
    return len(left)


def test_every_job_is_done_whatever_leader_is_lost(store, programs):
    connection, queue = connected(store.ports)
    with connection:
        jobs = enqueue(queue)
        work(queue, store, programs)
        at_work = max(event["at"] for event in programs.events("ended"))
        assert all(lost < at_work for lost in store.lost_at[:1]), "a leader was lost while jobs were done"
        now = {kind: [queue.fetch_job(job.id) for job in of_kind] for kind, of_kind in jobs.items()}
        values = {kind: [job.return_value() for job in of_kind] for kind, of_kind in now.items()}
        assert values["squares"] == [n * n for n in range(JOBS)]
        assert values["again"] == ["at last"] * FEW
        assert values["waiting"] == [sum(n * n for n in range(10))]
        assert values["later"] == [1_000_000]
        assert [job.get_status() for job in now["failing"]] == ["failed"] * FEW
        assert all(f"wrong {n}" in job.exc_info for n, job in enumerate(now["failing"]))
        assert sorted(queue.failed_job_registry.get_job_ids()) == sorted(job.id for job in jobs["failing"])
        assert queue.finished_job_registry.count == JOBS + FEW + 2
        assert queue.count == queue.started_job_registry.count == queue.deferred_job_registry.count == 0
        print(f"{len(store.lost_at)} leaders lost")
