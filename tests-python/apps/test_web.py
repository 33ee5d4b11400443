"""Caches and sessions of web frameworks: the same results as on Redis, and no visitor notices a lost leader."""

from importlib.util import find_spec

import pytest

from harness.cluster import wait_for

SITES = {
    "django cache": ("django", "apps.django_site", "cache"),
    "django cached_db": ("django", "apps.django_site", "cached_db"),
    "flask": ("flask_session", "apps.flask_site", None),
}


def sites(*names: str):
    """A parameter; where a site's packages are not installed, no cluster is made for it."""
    return pytest.mark.parametrize("site", [pytest.param(name, marks=skipped(name)) for name in names])


def skipped(site: str):
    package = SITES[site][0]
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


@sites("django cache", "flask")
def test_every_operation_gives_what_it_gives_on_redis(on_redis, on_cluster, programs, site):
    _, module, _ = SITES[site]
    found = []
    for store in (on_redis, on_cluster):
        program = programs.start(f"operations{len(found)}", module, "operations", store.ports)
        program.finish()
        found.append([(event["what"], event["result"]) for event in program.events()])
    assert len(found[0]) >= 10
    assert found[1] == found[0]


@sites("django cache")
def test_visits_of_a_site_are_counted_one_by_one(store, programs, site):
    visits(store, programs, site)


@sites("django cached_db", "flask")
def test_visits_of_other_sites_are_counted_one_by_one(on_cluster, programs, site):
    visits(on_cluster, programs, site)


def visits(store, programs, site: str):
    """Visitors go on while leaders are lost. Each counts in a session, all together in a cached number."""
    _, module, engine = SITES[site]
    more = [engine] if engine else []
    visitors = [programs.start(f"v{n}", module, "visit", f"v{n}", store.ports, *more) for n in range(2)]
    wait_for(lambda: programs.all_run() and all(v.events() for v in visitors), "everybody has visited")
    store.trouble(rounds=2)
    wait_for(lambda: programs.all_run() and all(len(v.events()) > 50 for v in visitors), "visits go on")
    for visitor in visitors:
        visitor.ask_to_end()
    for visitor in visitors:
        visitor.finish()
        mine = [event["mine"] for event in visitor.events()]
        assert mine == list(range(1, len(mine) + 1)), "each visit saw the one before"
    print(f"{sum(len(v.events()) for v in visitors)} visits, {len(store.lost_at)} leaders lost")
    if engine and not store.breaks:
        together = sorted(event["all"] for visitor in visitors for event in visitor.events())
        assert together == list(range(1, len(together) + 1)), "each addition counted once"
