"""A site of Flask with Flask-Session and Flask-Caching in the store.

    python -m apps.flask_site operations PORTS
    python -m apps.flask_site visit NAME PORTS
"""

import sys
import time

from flask import Flask, jsonify, session
from flask_caching import Cache
from flask_session import Session

from apps.program import Ending, Journal, client


def site(ports: str) -> tuple[Flask, Cache]:
    app = Flask(__name__)
    # Both keep bytes of their own, so replies must not be decoded.
    store = client(ports, decode_responses=False)
    app.config.update(SECRET_KEY="of a test", SESSION_TYPE="redis", SESSION_REDIS=store)
    Session(app)
    cache = Cache(app, config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_HOST": store, "CACHE_KEY_PREFIX": "site:"})

    @app.get("/visit")
    def visit():
        session["visits"] = session.get("visits", 0) + 1
        return jsonify(mine=session["visits"], slow=slow(session["visits"] % 7))

    @app.get("/leave")
    def leave():
        session.clear()
        return jsonify(left=True)

    @cache.memoize(timeout=100)
    def slow(number: int) -> int:
        return number * number

    app.slow = slow
    return app, cache


def visits(who: str, ports: str):
    app, _ = site(ports)
    journal, ending, browser = Journal(), Ending(), app.test_client()
    while not ending:
        journal.write("visit", who=who, **browser.get("/visit").json)
        time.sleep(0.002)


def operations(ports: str):
    app, cache = site(ports)
    journal = Journal()

    def note(what: str, result):
        journal.write("operation", what=what, result=repr(result))

    with app.app_context():
        note("clear", cache.clear())
        note("set", (cache.set("a", [1, "two"]), cache.get("a"), cache.get("absent"), cache.has("a")))
        note("add", (cache.add("a", 2), cache.add("b", 3, timeout=50), cache.get("b")))
        note("set_many", sorted(cache.set_many({"c": 1, "d": None, "e": "text"})))
        note("get_many", (cache.get_many("a", "c", "d", "absent"), cache.get_dict("b", "e")))
        note("numbers", (cache.cache.inc("n"), cache.cache.inc("n", 4), cache.cache.dec("n", 2), cache.get("n")))
        note("delete", (cache.delete("a"), cache.delete("a"), cache.delete_many("c", "d")))
        cache.set("short", 1, timeout=1)
        time.sleep(1.2)
        note("timeout", cache.get("short"))
        note("memoize", (app.slow(3), app.slow(3), cache.delete_memoized(app.slow, 3), app.slow(3)))
        note("clear", (cache.clear(), cache.get("e")))
    browser = app.test_client()
    note("sessions", [browser.get("/visit").json["mine"] for _ in range(3)])
    note("another visitor", app.test_client().get("/visit").json)
    note("left", (browser.get("/leave").json, browser.get("/visit").json))


if __name__ == "__main__":
    {"operations": operations, "visit": visits}[sys.argv[1]](*sys.argv[2:])
