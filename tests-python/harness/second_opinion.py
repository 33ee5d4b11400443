"""A small check of a history, beside the real checker (`everstore check-history`) and independent of it.

It proves less than linearizability, but shares no code with the checker: counters and lists are exact, no
acknowledged write is lost, and no read is older than a write that had ended before the read began.
"""

import json
from collections import defaultdict
from pathlib import Path

WRITES = ("set", "set_nx", "set_get", "del")
FOREVER = 1 << 62


def complaints(path: Path) -> list[str]:
    """What is wrong with a history, in sentences; empty if nothing is."""
    by_key = defaultdict(list)
    with open(path) as lines:
        for line in lines:
            if operation := json.loads(line).get("operation"):
                event = simple(operation)
                by_key[event["key"]].append(event)
    found = []
    for key, events in sorted(by_key.items()):
        kind = key.split(":")[0]
        judge = {"counter": counter, "list": append_list, "register": register}[kind]
        found += [f"{key}: {text}" for text in judge(events)]
    return found


def simple(operation: dict) -> dict:
    """An operation of the file with one word for what was asked, and the result as redis-py gives it."""
    action, outcome = operation["action"], operation["outcome"]
    kind, options = next(iter(action.items())) if isinstance(action, dict) else (action, {})
    kind = {"incr_by": "incr"}.get(kind, kind)
    if kind == "set":
        kind = "set_get" if options.get("get") else "set_nx" if options.get("condition") == "nx" else "set"
    event = {"key": operation["key"], "call": operation["call_ns"], "return": operation["return_ns"]}
    event |= {"kind": kind, "value": options.get("value"), "final": operation.get("promise") == "final"}
    event["outcome"] = "done" if isinstance(outcome, dict) else outcome
    if isinstance(outcome, dict):
        reply = outcome["done"]
        event["result"] = next(iter(reply.values())) if isinstance(reply, dict) else {"nil": None, "ok": "OK"}[reply]
    elif outcome == "unknown":
        # It may happen long after the client heard of it.
        event["return"] = None
    return event


def done(events: list[dict], *kinds: str) -> list[dict]:
    return [e for e in events if e["outcome"] == "done" and e["kind"] in kinds]


def unknown(events: list[dict], *kinds: str) -> list[dict]:
    return [e for e in events if e["outcome"] == "unknown" and e["kind"] in kinds]


def finals(events: list[dict]) -> list:
    return [e["result"] for e in events if e["final"]]


def counter(events: list[dict]):
    """Every acknowledged count once, in an order that fits time; the sum exact but for unknown ones."""
    counts = done(events, "incr")
    maybe = len(unknown(events, "incr"))
    results = [e["result"] for e in counts]
    if len(set(results)) != len(results):
        yield "two INCR had the same result"
    for final in finals(events):
        if not len(counts) <= int(final or 0) <= len(counts) + maybe:
            yield f"is {final} after {len(counts)} acknowledged and {maybe} unknown INCR"
    # Sorted by the end: whoever begins later sees more.
    seen = [(e["return"], e["call"], int(e["result"] or 0), e["kind"]) for e in done(events, "incr", "get")]
    highest = 0
    ends = sorted(seen)
    at = 0
    for _, call, value, kind in sorted(seen, key=lambda s: s[1]):
        while at < len(ends) and ends[at][0] < call:
            highest = max(highest, ends[at][2])
            at += 1
        if value < highest + (kind == "incr"):
            yield f"{kind} gave {value} after {highest} had been seen"
            return


def append_list(events: list[dict]):
    """Every acknowledged append once, no other; each read a beginning of what follows."""
    appended = [e["value"] for e in done(events, "append")]
    maybe = {e["value"] for e in unknown(events, "append")}
    for final in (text or "" for text in finals(events)):
        tokens = [t + ";" for t in final.split(";")[:-1]]
        if len(set(tokens)) != len(tokens):
            yield f"an APPEND was done twice: {final}"
        if missing := set(appended) - set(tokens):
            yield f"acknowledged APPENDs are missing: {sorted(missing)[:3]}"
        if alien := set(tokens) - set(appended) - maybe:
            yield f"APPENDs that were not done are there: {sorted(alien)[:3]}"
        for event in done(events, "append"):
            end = event["result"]
            if not final[:end].endswith(event["value"]):
                yield f"APPEND of {event['value']} said {end}, but stands elsewhere"
        for event in done(events, "get"):
            if not final.startswith(event["result"] or ""):
                yield f"a read saw what is not a beginning of the end: {event['result']}"
    reads = [(e["return"], e["call"], len(e["result"] or "")) for e in done(events, "get")]
    ends = [(e["return"], e["call"], e["result"]) for e in done(events, "append")] + reads
    for _, call, length in reads:
        if any(ended < call and length < seen for ended, _, seen in ends):
            yield "a read is older than something seen before it began"
            return


def effective(events: list[dict]) -> list[dict]:
    """Writes of a register that certainly changed it."""
    failed = [e for e in events if e["kind"] == "set_nx" and e.get("result") is None]
    idle = [e for e in events if e["kind"] == "del" and e.get("result") == 0]
    return [e for e in done(events, *WRITES) if e not in failed and e not in idle]


def register(events: list[dict]):
    """No read shows a value that was certainly replaced before the read began."""
    certain = effective(events)
    writes = {e["value"]: e for e in events if e["value"] is not None}
    deletions = [e for e in done(events, "del") if e["result"]] + unknown(events, "del")
    for event in done(events, "get", "set_get"):
        value, call = event["result"], event["call"]
        later = [e for e in certain if e["return"] < call]
        if value is None:
            sets = [e for e in later if e["kind"] != "del"]
            last = max((e["call"] for e in sets), default=None)
            if last is not None and not any((d["return"] or FOREVER) > last for d in deletions):
                yield f"read as absent at {call}, although a write had ended and nothing deleted it"
                return
            continue
        origin = writes.get(value)
        if origin is None or origin["outcome"] == "not_done":
            yield f"read {value}, which was never written"
            return
        if origin["call"] > event["return"]:
            yield f"read {value} before it was written"
            return
        end = origin["return"]
        if end is not None and any(e["call"] > end for e in later):
            yield f"read {value} at {call}, after it had been replaced"
            return
