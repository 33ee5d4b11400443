"""Clients that wait: commands on threads of their own, and whether the store says that they wait."""

import threading

import redis

from .cluster import wait_for


def in_background(work):
    """Runs `work` on a thread; its result is in the list that is returned."""
    result = []

    def run():
        try:
            result.append(work())
        except (redis.RedisError, OSError, ValueError, AttributeError) as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def blocked(client) -> int:
    return sum("b" in entry["flags"] for entry in client.client_list())


def waits(client, count: int = 1):
    wait_for(lambda: blocked(client) == count, f"{count} clients wait")
