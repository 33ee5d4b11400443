#!/usr/bin/env python3
"""Set a key, wait until it is replicated, change the leader, read the key back.

    everstore demo                                  # in one terminal
    python3 examples/python/failover.py             # in another

Needs redis-py (pip install redis) and nothing else: Everstore speaks the Redis protocol.
"""

import argparse
import json
import sys
import time

import redis


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--node", default="127.0.0.1:7001", metavar="HOST:PORT", help="any node")
    host, port = arguments.parse_args().node.rsplit(":", 1)

    store = redis.Redis(host=host, port=int(port), decode_responses=True)
    if not store.ping():
        print("the node does not answer PING")
        return 1

    # 1. Set a key. The reply means: on disk on a majority of its replicas.
    store.set("example:failover", "still here")
    # WAIT says on how many followers the last write is on disk as well.
    print(f"written; on the disks of {store.wait(1, 1000)} followers besides the leader")

    # 2. Everybody who leads something hands it over, one after the other.
    for address in nodes(store):
        before = leaders(store)
        hand_over(address)
        moved = sum(leaders(store).get(shard) != leader for shard, leader in before.items())
        print(f"{address} handed over its leadership; {moved} of {len(before)} shards have another leader")

        # 3. PING checks that the node is alive; then the key is read back, whoever leads it now.
        started = time.monotonic()
        assert store.ping()
        value = store.get("example:failover")
        print(f"  read back {value!r} in {(time.monotonic() - started) * 1000:.1f} ms")
        if value != "still here":
            print("  that is not what was written")
            return 1
    print("the key survived every change of leader")
    return 0


def status(store: redis.Redis) -> dict:
    """What `everstore status --json` prints, as any node tells it."""
    return json.loads(store.execute_command("EVERSTORE", "STATUS"))


def nodes(store: redis.Redis) -> list[str]:
    return [n["redis_address"] for n in status(store)["nodes"] if n["state"]["state"] == "up"]


def leaders(store: redis.Redis) -> dict[int, int]:
    return {shard["id"]: shard["leader"] for shard in status(store)["shards"]}


def hand_over(address: str):
    """FAILOVER on a node: it gives away everything it leads."""
    host, port = address.rsplit(":", 1)
    node = redis.Redis(host=host, port=int(port), decode_responses=True)
    own = next(n["id"] for n in status(node)["nodes"] if n["redis_address"] == address)
    node.execute_command("FAILOVER")
    deadline = time.monotonic() + 10
    while own in leaders(node).values() and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
