"""Locks of redis-py: one holder at a time, whoever loses its leader meanwhile."""

import time

import pytest
import redis
from redis.exceptions import LockError, LockNotOwnedError

from harness.cluster import wait_for

from .conftest import admin, needs
from .locks import COUNTER, LOCKS, WatchLock


@pytest.mark.parametrize("kind", LOCKS)
def test_one_is_inside_at_a_time(store, programs, kind):
    if kind == "own":
        # SET NX PX takes the lock, but redis-py releases it with a script.
        needs(store, "EVALSHA", "SCRIPT")
    counters = [programs.start(f"c{n}", "apps.locks", f"c{n}", store.ports, kind) for n in range(4)]
    wait_for(lambda: all(counter.events() for counter in counters), "everybody has been inside")
    store.trouble(rounds=2)
    wait_for(lambda: programs.all_run() and len(programs.events("added")) > 50, "they go on")
    for counter in counters:
        counter.ask_to_end()
    for counter in counters:
        counter.finish()
    added = len(programs.events("added"))
    with admin(store) as client:
        assert int(client.get(COUNTER)) == added
    print(f"{added} additions, {len(store.lost_at)} leaders lost")
    if not store.breaks:
        assert programs.events("released twice") == []


@pytest.mark.parametrize("kind", LOCKS)
@pytest.mark.parametrize("where", ["on_redis", "on_cluster"])
def test_what_a_lock_says(request, where, kind):
    store = request.getfixturevalue(where)
    if kind == "own":
        needs(store, "EVALSHA", "SCRIPT")
    with admin(store) as client:
        first, second = (client.lock("a", timeout=20, lock_class=LOCKS[kind], sleep=0.01) for _ in range(2))
        assert first.acquire() and first.locked() and first.owned()
        assert not second.acquire(blocking=False)
        assert not second.acquire(blocking_timeout=0.05)
        assert first.extend(20) and 35 < client.ttl("a") <= 40
        assert first.extend(10, replace_ttl=True) and 5 < client.ttl("a") <= 10
        assert first.reacquire() and 15 < client.ttl("a") <= 20
        client.set("a", "of somebody else")
        with pytest.raises(LockNotOwnedError, match="extend"):
            first.extend(1)
        with pytest.raises(LockNotOwnedError, match="release"):
            first.release()
        client.delete("a")
        with second:
            assert second.owned() and not first.owned()
        assert client.exists("a") == 0
        with pytest.raises(LockError, match="not owned"):
            second.release()


@pytest.mark.parametrize("where", ["on_redis", "on_cluster"])
def test_the_lock_of_a_dead_holder_becomes_free(request, where):
    store = request.getfixturevalue(where)
    with admin(store) as client:
        assert client.lock("a", timeout=0.5, lock_class=WatchLock).acquire()
        begun = time.monotonic()
        store.trouble(rounds=1)
        assert client.lock("a", timeout=5, lock_class=WatchLock, sleep=0.01).acquire(blocking_timeout=20)
        assert time.monotonic() - begun > 0.3


def test_without_scripts_a_lock_says_so(on_cluster):
    """Whoever uses redis-py's own lock learns at the first release what is missing."""
    with admin(on_cluster) as client:
        if "evalsha" in client.command_list():
            pytest.skip("scripts are there")
        lock = client.lock("a", timeout=5)
        assert lock.acquire()
        with pytest.raises(redis.ResponseError, match="EVALSHA"):
            lock.release()
