"""A job queue on lists, as many teams have written it.

A worker moves a job to a list of its own, does it, and removes it from there in the transaction that
stores the result. What a dead worker held is put back by the others.

    python -m apps.jobs produce NAME PORTS
    python -m apps.jobs work    NAME PORTS [COUNT]    with COUNT: takes one more, and hangs
"""

import hashlib
import itertools
import sys
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.program import Ending, Journal, client

WAITING, RESULTS, WORKERS = "jobs:waiting", "jobs:results", "jobs:workers"
# A worker that has not shown up for this long is dead, in seconds.
DEAD_AFTER = 5
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)


def name(job: str) -> str:
    """A job is `name/try`, with a `+` for each time it was put back: no two elements are ever alike."""
    return job.split("/")[0]


def result(job: str) -> str:
    return hashlib.sha256(name(job).encode()).hexdigest()


class Queue:
    def __init__(self, store: redis.Redis, worker: str = ""):
        self.store = store
        self.worker = worker
        self.held = self.held_by(worker)

    @staticmethod
    def held_by(worker: str) -> str:
        return f"jobs:held:{worker}"

    def put(self, job: str):
        self.store.rpush(WAITING, job)

    def take(self, timeout: float) -> str | None:
        return self.store.blmove(WAITING, self.held, timeout, "LEFT", "RIGHT")

    def done(self, job: str):
        pipe = self.store.pipeline(transaction=True)
        pipe.hset(RESULTS, name(job), result(job))
        pipe.lrem(self.held, 1, job)
        pipe.execute()

    def holds(self) -> list[str]:
        return self.store.lrange(self.held, 0, -1)

    def show_up(self):
        self.store.sadd(WORKERS, self.worker)
        self.store.set(f"jobs:alive:{self.worker}", 1, ex=DEAD_AFTER)

    def put_back(self) -> list[str]:
        """Puts back what dead workers hold. WATCH keeps two workers from doing it at once."""
        back = []
        for worker in self.store.smembers(WORKERS):
            if self.store.exists(f"jobs:alive:{worker}"):
                continue
            held = self.held_by(worker)

            def move(pipe, held=held):
                jobs = pipe.lrange(held, 0, -1)
                pipe.multi()
                for job in jobs:
                    pipe.lrem(held, 1, job)
                    pipe.rpush(WAITING, f"{job}+")
                return jobs

            back += self.store.transaction(move, held, value_from_callable=True)
        return back


def produce(who: str, ports: str):
    """Puts jobs until it is asked to end. It looks after errors itself, to know how often it tried."""
    queue, journal, ending = Queue(client(ports, retry=Retry(NoBackoff(), 0))), Journal(), Ending()
    for number in itertools.count():
        if ending:
            return
        for attempt in itertools.count():
            job = f"{who}-{number}/{attempt}"
            try:
                queue.put(job)
                journal.write("put", job=job)
                break
            except UNREACHABLE as error:
                journal.write("unreachable", job=job, error=str(error))
                time.sleep(0.02)
        time.sleep(0.004)


def work(who: str, ports: str, hang_after: int | None = None):
    """Works until it is asked to end and nothing is left."""
    queue, journal, ending = Queue(client(ports, retry=Retry(NoBackoff(), 0)), who), Journal(), Ending()
    shown, count = 0.0, 0
    while True:
        try:
            if time.monotonic() - shown > DEAD_AFTER / 10:
                queue.show_up()
                shown = time.monotonic()
            job = queue.take(0.5)
            if job is not None:
                journal.write("taken", job=job)
                count += 1
                if hang_after is not None and count > hang_after:
                    time.sleep(3600)
                queue.done(job)
                journal.write("done", job=job)
                continue
            rest(queue, journal)
            if ending:
                return
        except UNREACHABLE as error:
            journal.write("unreachable", error=str(error))
            time.sleep(0.02)


def rest(queue: Queue, journal: Journal):
    """Nothing waits: time for what a broken connection left in our list, and what dead workers held."""
    for job in queue.holds():
        journal.write("found", job=job)
        queue.done(job)
    for job in queue.put_back():
        journal.write("put back", job=job)


def main(role: str, who: str, ports: str, *more: str):
    if role == "produce":
        produce(who, ports)
    else:
        work(who, ports, *map(int, more))


if __name__ == "__main__":
    main(*sys.argv[1:])
