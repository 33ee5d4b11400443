"""Peer links that are cut, delayed, stalled and damaged by proxies; the history of clients is checked."""

import random
import time

import pytest

from harness import chaos
from harness.history import History
from harness.proxy import Proxies
from harness.verdict import check


@pytest.fixture
def proxies():
    made = []

    def make(seed: int) -> Proxies:
        made.append(Proxies(seed))
        return made[0]

    yield make
    for each in made:
        each.destroy()


def delay(proxies, rng):
    proxies.link(*rng.choice(proxies.pairs())).delay = rng.uniform(0.005, 0.3)


def delay_all(proxies, rng):
    for pair in proxies.pairs():
        proxies.link(*pair).delay = rng.uniform(0.0, 0.05)


def cut(proxies, rng):
    proxies.cut(*rng.choice(proxies.pairs()))


def isolate(proxies, rng):
    alone = rng.choice(list(proxies.nodes))
    for a, b in proxies.pairs():
        if alone == a:
            proxies.cut(a, b)


def stall_one_way(proxies, rng):
    proxies.link(*rng.choice(proxies.pairs())).stalled = True


def stall_all_from_one(proxies, rng):
    alone = rng.choice(list(proxies.nodes))
    for pair in proxies.pairs():
        proxies.link(*pair).stalled = pair[0] == alone


def reset_in_a_frame(proxies, rng):
    for pair in proxies.pairs():
        if rng.random() < 0.4:
            proxies.link(*pair).reset_after = int(10 ** rng.uniform(0, 4))


def reconnect(proxies, rng):
    for _ in range(rng.randrange(1, 6)):
        proxies.reset(*rng.choice(proxies.pairs()))
        time.sleep(rng.uniform(0, 0.2))


def corrupt(proxies, rng):
    proxies.link(*rng.choice(proxies.pairs())).corrupt = True


def trickle(proxies, rng):
    proxies.link(*rng.choice(proxies.pairs())).piece = rng.choice((1, 7, 100))


FAULTS = (
    delay, delay_all, cut, isolate, stall_one_way, stall_all_from_one,
    reset_in_a_frame, reconnect, corrupt, trickle,
)  # fmt: skip


@pytest.mark.timeout(chaos.seconds(0) + 240)
def test_every_fault_of_a_link(proxies, new_cluster, tmp_path):
    """Each kind at least once, in a random order, sometimes two at a time."""
    seed = chaos.seed("links")
    rng = random.Random(f"links:{seed}")
    links = proxies(seed)
    cluster = new_cluster(make_node=links.node, flags=("--quorum-timeout", "1s")).start()
    injected = {}
    end = time.monotonic() + chaos.seconds(0)
    with History(tmp_path / "history.jsonl", cluster.nodes, seed) as history:
        history.wait_for_more()
        while not injected or time.monotonic() < end:
            for fault in rng.sample(FAULTS, len(FAULTS)):
                fault(links, rng)
                injected[fault.__name__] = injected.get(fault.__name__, 0) + 1
                time.sleep(rng.uniform(0.2, 1.0))
                if rng.random() < 0.7:
                    links.heal()
                    time.sleep(rng.uniform(0.0, 0.5))
        links.heal()
        cluster.wait_healthy()
        history.wait_for_more()
    history.finish()
    print(dict(links.seen))
    check(history, injected)
    assert links.seen["bytes"] > 100_000 and links.seen["connections"] > 3, "links go through the proxies"
    # Whether bytes were on their way to be flipped is a matter of chance.
    assert links.seen["reset"] > 0
