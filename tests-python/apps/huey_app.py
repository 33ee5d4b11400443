"""Tasks of huey, for its own consumer: `huey_consumer apps.huey_app.huey`. APP_PORTS says where the store is."""

import os

from huey import RedisHuey
from huey.storage import RedisStorage

from apps.program import client, pool


class ScriptlessStorage(RedisStorage):
    """Reads and removes what is due in a transaction instead of a script; both happen as one."""

    def read_schedule(self, ts):
        until = self.convert_ts(ts)
        pipe = self.conn.pipeline(transaction=True)
        pipe.zrangebyscore(self.schedule_key, "-inf", until)
        pipe.zremrangebyscore(self.schedule_key, "-inf", until)
        return pipe.execute()[0]


def fitting(ports: str) -> type[RedisStorage]:
    """huey as it is, where the store has scripts."""
    with client(ports) as store:
        return RedisStorage if "evalsha" in store.command_list() else ScriptlessStorage


def make(ports: str) -> RedisHuey:
    return RedisHuey("site", storage_class=fitting(ports), connection_pool=pool(ports, decode_responses=False))


huey = make(os.environ["APP_PORTS"])


@huey.task()
def square(number: int) -> int:
    return number * number


@huey.task()
def add(number: int, more: int) -> int:
    return number + more


@huey.task(retries=5, retry_delay=1)
def fail_at_first(key: str) -> str:
    """Fails twice; huey schedules the next try."""
    if huey.storage.conn.incr(key) < 3:
        raise ValueError("not yet")
    return "at last"
