"""Free ports, outside of the range from which the kernel takes ports of outgoing connections."""

import itertools
import os
import random
import socket

FIRST, LAST = 10_000, 32_000
_start = random.Random(os.getpid()).randrange(FIRST, LAST)
_next = itertools.cycle(itertools.chain(range(_start, LAST), range(FIRST, _start)))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    return next(port for port in _next if is_free(port))


def free_base(count: int, spread: int) -> int:
    """A port such that `count` ports from it, and from `spread`, 2 and 3 * `spread` above it, are free."""
    for base in _next:
        wanted = [base + i + j * spread for i in range(count) for j in range(4)]
        if max(wanted) < LAST and all(is_free(port) for port in wanted):
            return base
    raise AssertionError("no free ports")
