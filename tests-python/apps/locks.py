"""A lock around a counter that is read, changed and written: who is alone there loses no addition.

    python -m apps.locks NAME PORTS own|watch
"""

import sys
import time

import redis
from redis.exceptions import LockNotOwnedError
from redis.lock import Lock

from apps.program import Ending, Journal, client

LOCK, COUNTER, INSIDE = "lock:counter", "counter", "counter:inside"
# Seconds until a lock whose holder died is free again; far more than a failover takes.
TIMEOUT = 30


class WatchLock(Lock):
    """redis-py's lock for a store without scripts: released and extended by WATCH, MULTI and EXEC, as
    redis-py itself did before it used scripts.

    It also knows its own token again, for when a reply was lost and redis-py sent the command twice.
    """

    def do_acquire(self, token: bytes) -> bool:
        return super().do_acquire(token) or self._is(self.redis.get(self.name), token)

    def do_release(self, expected_token: bytes):
        self._if_ours(expected_token, "release", lambda pipe, _: pipe.delete(self.name))

    def do_extend(self, additional_time: float, replace_ttl: bool) -> bool:
        def extend(pipe, left: int):
            pipe.pexpire(self.name, int(additional_time * 1000) + (0 if replace_ttl else left))

        return self._if_ours(self.local.token, "extend", extend)

    def do_reacquire(self) -> bool:
        milliseconds = int(self.timeout * 1000)
        return self._if_ours(self.local.token, "reacquire", lambda pipe, _: pipe.pexpire(self.name, milliseconds))

    def _if_ours(self, token: bytes, what: str, change) -> bool:
        def attempt(pipe):
            if not self._is(pipe.get(self.name), token):
                raise LockNotOwnedError(f"Cannot {what} a lock that's no longer owned", lock_name=self.name)
            left = max(pipe.pttl(self.name), 0)
            pipe.multi()
            change(pipe, left)

        self.redis.transaction(attempt, self.name)
        return True

    def _is(self, stored: str | bytes | None, token: bytes) -> bool:
        return stored is not None and self.redis.get_encoder().encode(stored) == token


LOCKS = {"own": Lock, "watch": WatchLock}


def add(store: redis.Redis, who: str):
    """Wrong in every step, if another one were inside as well."""
    store.set(INSIDE, who)
    now = int(store.get(COUNTER) or 0)
    time.sleep(0.002)
    assert store.get(INSIDE) == who, "another one is inside"
    store.set(COUNTER, now + 1)


def count(who: str, ports: str, kind: str):
    store, journal, ending = client(ports), Journal(), Ending()
    lock = store.lock(LOCK, timeout=TIMEOUT, sleep=0.005, lock_class=LOCKS[kind])
    while not ending:
        lock.acquire()
        add(store, who)
        journal.write("added")
        try:
            lock.release()
        except LockNotOwnedError:
            # The reply of a release was lost with its node, and it was sent again.
            journal.write("released twice")


if __name__ == "__main__":
    count(*sys.argv[1:])
