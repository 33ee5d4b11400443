"""A site of Django whose cache and sessions are in the store.

    python -m apps.django_site operations PORTS          every operation of the cache, results to the journal
    python -m apps.django_site visit NAME PORTS ENGINE   a visitor until SIGTERM; ENGINE: cache or cached_db
"""

import sys
import time

import django
from django.conf import settings
from django.core.cache import cache, caches
from django.http import JsonResponse
from django.urls import path

from apps.program import DB, AnyNode, Ending, Journal, nodes, patience


def configure(ports: str, engine: str = "cache"):
    address = nodes(ports)[0]
    options = {"connection_class": AnyNode, "nodes": nodes(ports), "retry": patience(ports), "socket_timeout": 20}
    backend = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"redis://{address[0]}:{address[1]}/{DB}",
        "OPTIONS": options,
    }
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        CACHES={"default": backend, "other": {**backend, "KEY_PREFIX": "other", "VERSION": 2, "TIMEOUT": None}},
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.sessions"],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="of a test",
        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}",
    )
    django.setup()


def visit(request):
    """Counts the visits of one visitor in the session, and those of all in the cache."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    cache.add("visits", 0, timeout=None)
    return JsonResponse({"mine": request.session["visits"], "all": cache.incr("visits")})


def leave(request):
    request.session.flush()
    return JsonResponse({"left": True})


urlpatterns = [path("visit", visit), path("leave", leave)]


def visits(who: str, ports: str, engine: str):
    configure(ports, engine)
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    journal, ending, browser = Journal(), Ending(), Client()
    while not ending:
        journal.write("visit", who=who, session=browser.cookies.get("sessionid", ""), **browser.get("/visit").json())
        time.sleep(0.002)


def operations(ports: str):
    """All that the cache can do; times are given as whether they are what was asked for."""
    configure(ports)
    journal, other = Journal(), caches["other"]

    def note(what: str, result):
        journal.write("operation", what=what, result=repr(result))

    def failing(call) -> str:
        try:
            return f"no error: {call()!r}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    note("clear", cache.clear())
    note("get of nothing", (cache.get("none"), cache.get("none", "default"), "none" in cache))
    values = {"text": "täxt", "number": 7, "negative": -3, "float": 1.5, "true": True, "none": None}
    values |= {"bytes": b"\0\xff", "list": [1, "two", {"three": 3.0}], "big": "x" * 100_000, "empty": ""}
    note("set_many", cache.set_many(values, timeout=100))
    note("get_many", sorted(cache.get_many([*values, "absent"]).items(), key=lambda item: item[0]))
    note("types", [(key, cache.get(key) == value, type(cache.get(key))) for key, value in values.items()])
    note("add", (cache.add("text", 1), cache.add("new", 1), cache.add("gone at once", 1, timeout=0), cache.get("new")))
    note("gone at once", cache.get("gone at once"))
    note("set gone at once", (cache.set("text", 1, timeout=0), cache.get("text")))
    note("incr", (cache.incr("number"), cache.incr("number", 10), cache.decr("number", 3), cache.decr("negative")))
    note("incr of nothing", failing(lambda: cache.incr("absent")))
    note("incr of a text", failing(lambda: cache.incr("empty")))
    note("touch", (cache.touch("new", 50), cache.touch("absent"), cache.touch("new", None), cache.touch("list", 0)))
    note("touched", cache.get("list"))
    note("get_or_set", (cache.get_or_set("made", lambda: "by a call"), cache.get_or_set("made", "not again")))
    note("delete", (cache.delete("made"), cache.delete("made"), cache.has_key("made")))
    note("versions", (cache.set("v", 1), cache.set("v", 2, version=2), cache.get("v"), cache.get("v", version=2)))
    note("incr_version", (cache.incr_version("v", 5), cache.get("v"), cache.get("v", version=6)))
    note("decr_version", (cache.decr_version("v", version=2), cache.get("v")))
    note("incr_version of nothing", failing(lambda: cache.incr_version("absent")))
    note("another prefix", (other.set("v", 9), other.get("v"), cache.get("v"), other.get("v", version=1)))
    note("delete_many", (cache.delete_many(["v", "new", "absent"]), cache.get_many(["v", "new"])))
    cache.set("short", 1, timeout=1)
    time.sleep(1.2)
    note("timeout", cache.get("short"))
    note("odd keys", (cache.set("a b:c/ü", 1), cache.get("a b:c/ü"), cache.set("x" * 300, 2), cache.get("x" * 300)))
    note("clear", (cache.clear(), cache.get("float"), other.get("v")))


if __name__ == "__main__":
    {"operations": operations, "visit": visits}[sys.argv[1]](*sys.argv[2:])
