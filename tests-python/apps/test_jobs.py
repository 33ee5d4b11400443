"""A job queue on lists: no job is lost, and the store gives none to two workers."""

from collections import Counter

from harness.cluster import wait_for

from .conftest import admin
from .jobs import RESULTS, WORKERS, name, result

# Jobs that the worker does that is to die with the next.
HANGS_AFTER = 5
# Jobs that are put at least.
MANY = 200


def test_no_job_is_lost_and_none_is_given_twice(store, programs):
    producers = [programs.start(f"p{n}", "apps.jobs", "produce", f"p{n}", store.ports) for n in range(2)]
    workers = [programs.start(f"w{n}", "apps.jobs", "work", f"w{n}", store.ports) for n in range(3)]
    hanging = programs.start("hanging", "apps.jobs", "work", "hanging", store.ports, HANGS_AFTER)
    store.trouble(rounds=2)
    with admin(store) as client:
        wait_for(lambda: len(taken_by(hanging)) > HANGS_AFTER, "a worker hangs with a job")
        hanging.kill()
        held = taken_by(hanging)[-1]
        store.trouble(rounds=2)
        wait_for(lambda: programs.all_run() and len(programs.events("put")) > MANY, "jobs are put")
        for producer in producers:
            producer.ask_to_end()
            producer.finish()
        wait_for(lambda: programs.all_run() and not left(client), "nothing is left to do")
        for worker in workers:
            worker.ask_to_end()
            worker.finish()
        account(store, programs, client)
    back = {event["job"] for event in programs.events("put back")}
    # Who put it back does not know, if the reply was lost with its node; that it is done was seen above.
    assert held in back or store.breaks, "what the dead worker held was put back"


def taken_by(*workers) -> list[str]:
    return [event["job"] for worker in workers for event in worker.events() if event["event"] == "taken"]


def left(client) -> list[str]:
    """Jobs that wait or are held."""
    return [job for key in client.scan_iter("jobs:[wh]*") if key != WORKERS for job in client.lrange(key, 0, -1)]


def account(store, programs, client):
    """Compares what producers and workers saw with what the store holds."""
    put = {event["job"] for event in programs.events("put")}
    results = client.hgetall(RESULTS)
    lost = {name(job) for job in put} - results.keys()
    assert not lost, f"{len(lost)} of {len(put)} acknowledged jobs are lost: {sorted(lost)[:5]}"
    wrong = [job for job, digest in results.items() if digest != result(job)]
    assert not wrong, f"results of other jobs: {wrong[:5]}"
    twice = [job for job, times in Counter(taken_by(*programs.started)).items() if times > 1]
    assert not twice, f"given to two workers by the store: {twice[:5]}"
    assert left(client) == []
    broken = programs.events("unreachable")
    print(f"{len(put)} jobs, {len(store.lost_at)} leaders lost, {len(broken)} broken connections")
    if not store.breaks:
        assert broken == [], "clients whose node lives see no error"
        assert results.keys() == {name(job) for job in put}, "nothing was done that nobody put"
        assert programs.events("found") == [], "every reply arrived"
