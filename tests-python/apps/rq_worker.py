"""A worker of RQ that does what waits and ends.

    python -m apps.rq_worker NAME PORTS
"""

import sys

import redis
from rq import Queue, SimpleWorker
from rq.job import Job

from apps.program import Journal, client


class PlainJob(Job):
    """Keeps its result in its own hash, as RQ does where there are no streams."""

    supports_redis_streams = False


class DeafWorker(SimpleWorker):
    """Hears no commands (`rq.command`), which are sent to workers by PUBLISH; nothing else needs that."""

    def subscribe(self):
        self.log.info("hears no commands")


def fitting(store: redis.Redis) -> dict:
    """RQ as it is, where the store has what it needs; else the two replacements above."""
    known = {name.decode() if isinstance(name, bytes) else name for name in store.command_list()}
    return {
        "job_class": Job if "xadd" in known else PlainJob,
        "worker_class": SimpleWorker if "subscribe" in known else DeafWorker,
    }


def connected(ports: str) -> tuple[redis.Redis, Queue]:
    # RQ keeps pickles, so replies must not be decoded.
    store = client(ports, decode_responses=False)
    return store, Queue("default", connection=store, job_class=fitting(store)["job_class"])


def burst(who: str, ports: str):
    store, queue = connected(ports)
    journal, classes = Journal(), fitting(store)
    worker = classes["worker_class"]([queue], connection=store, name=who, job_class=classes["job_class"])
    journal.write("begun")
    worker.work(burst=True, with_scheduler=True)
    journal.write("ended")


if __name__ == "__main__":
    burst(*sys.argv[1:])
