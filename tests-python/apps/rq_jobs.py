"""What the jobs of RQ do; workers import it by name."""

import time

from rq import get_current_job


def square(number: int) -> int:
    time.sleep(0.02)
    return number * number


def fail(text: str):
    raise ValueError(text)


def fail_at_first(key: str) -> str:
    """Fails twice and is done the third time; the store counts."""
    if get_current_job().connection.incr(key) < 3:
        raise ValueError("not yet")
    return "at last"


def add(*ids: str) -> int:
    """The sum of what other jobs gave."""
    me = get_current_job()
    return sum(type(me).fetch(each, connection=me.connection).return_value() for each in ids)
