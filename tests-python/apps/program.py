"""What every program of an application has: a client of the store, a journal, and a polite end."""

import json
import os
import signal
import time

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

# The layout of keyspaces 1 to 15 is single: all commands on several keys work there.
DB = 1


class AnyNode(redis.Connection):
    """Connects to the first of several nodes that answers, and from then on begins with that one.

    Every node of a cluster answers for every key, so this is all that a client of one address needs to
    survive the loss of its node; a load balancer or a name with several addresses does the same.
    """

    def __init__(self, nodes: list[tuple[str, int]], **options):
        self.nodes = list(nodes)
        options |= {"host": self.nodes[0][0], "port": self.nodes[0][1]}
        super().__init__(**options)

    def _connect(self):
        for _ in self.nodes:
            self.host, self.port = self.nodes[0]
            try:
                return super()._connect()
            except OSError as error:
                refused = error
                self.nodes.append(self.nodes.pop(0))
        raise refused


def nodes(ports: str) -> list[tuple[str, int]]:
    return [("127.0.0.1", int(port)) for port in ports.split(",")]


def patience(ports: str) -> Retry:
    """With other nodes to turn to: for up to about ten seconds. With one, whose loss of leaders must not
    be seen: never, so that an error ends the program."""
    return Retry(ExponentialBackoff(cap=0.4, base=0.01), 30) if len(nodes(ports)) > 1 else Retry(NoBackoff(), 0)


def pool(ports: str, db: int = DB, **options) -> redis.ConnectionPool:
    options.setdefault("retry", patience(ports))
    options.setdefault("socket_timeout", 20)
    options.setdefault("decode_responses", True)
    return redis.ConnectionPool(connection_class=AnyNode, nodes=nodes(ports), db=db, **options)


def client(ports: str, db: int = DB, **options) -> redis.Redis:
    return redis.Redis(connection_pool=pool(ports, db, **options))


class Journal:
    """What happened, written before the program goes on; it is whole also if the program is killed."""

    def __init__(self):
        self.file = open(os.environ["APP_JOURNAL"], "a", buffering=1)  # noqa: SIM115

    def write(self, event: str, **fields):
        self.file.write(json.dumps({"event": event, "at": time.monotonic(), **fields}) + "\n")


class Ending:
    """True from SIGTERM on."""

    def __init__(self):
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_):
        self.asked = True

    def __bool__(self):
        return self.asked
