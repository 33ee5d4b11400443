"""Histories that the small check must refuse, and some it must not."""

import json

import pytest

from harness.second_opinion import complaints


@pytest.fixture
def judge(tmp_path):
    """Takes (key, action, outcome, call, return) and tells what is wrong."""

    def judge(*operations) -> list[str]:
        path = tmp_path / "history.jsonl"
        with open(path, "w") as file:
            file.write('{"history":{"format":1}}\n')
            for key, action, outcome, call, returned in operations:
                line = {"client": 1, "connection": 1, "call_ns": call, "return_ns": returned, "keyspace": "sync"}
                line |= {"key": key, "action": action, "outcome": outcome}
                if call >= 1000:
                    line["promise"] = "final"
                file.write(json.dumps({"operation": line}) + "\n")
        return complaints(path)

    return judge


def put(value: str) -> dict:
    return {"set": {"value": value}}


def add(value: str) -> dict:
    return {"append": {"value": value}}


OK, NIL = {"done": "ok"}, {"done": "nil"}
INCR = {"incr_by": {"by": 1}}


def number(n: int) -> dict:
    return {"done": {"integer": n}}


def value(text: str) -> dict:
    return {"done": {"value": text}}


def test_what_is_right_passes(judge):
    assert judge(
        ("register:1", put("a"), OK, 1, 2),
        ("register:1", put("b"), "unknown", 3, None),
        ("register:1", "get", value("a"), 4, 5),
        ("register:1", "get", value("b"), 6, 7),
        ("register:1", "del", number(1), 8, 9),
        ("register:1", "get", NIL, 1000, 1001),
        ("counter:1", INCR, number(1), 1, 2),
        ("counter:1", INCR, "unknown", 3, None),
        ("counter:1", "get", value("2"), 1000, 1001),
        ("list:1", add("a;"), number(2), 1, 2),
        ("list:1", add("b;"), "unknown", 1, None),
        ("list:1", "get", value("a;b;"), 1000, 1001),
        ("list:2", "get", NIL, 1, 2),
        ("list:2", "get", NIL, 1000, 1001),
    ) == []


WRONG = {
    "a lost write": [("register:1", put("a"), OK, 1, 2), ("register:1", "get", NIL, 1000, 1001)],
    "a lost overwrite": [
        ("register:1", put("a"), OK, 1, 2),
        ("register:1", put("b"), OK, 3, 4),
        ("register:1", "get", value("a"), 1000, 1001),
    ],
    "a stale read": [
        ("register:1", put("a"), OK, 1, 2),
        ("register:1", put("b"), OK, 3, 4),
        ("register:1", "get", value("a"), 5, 6),
        ("register:1", "get", value("b"), 1000, 1001),
    ],
    "a refused write that is there": [
        ("register:1", put("a"), "not_done", 1, 2),
        ("register:1", "get", value("a"), 5, 6),
    ],
    "a value of the future": [
        ("register:1", "get", value("a"), 1, 2),
        ("register:1", put("a"), OK, 3, 4),
    ],
    "a count twice": [("counter:1", INCR, number(1), 1, 2), ("counter:1", "get", value("2"), 1000, 1001)],
    "a lost count": [
        ("counter:1", INCR, number(1), 1, 2),
        ("counter:1", INCR, number(2), 3, 4),
        ("counter:1", "get", value("1"), 1000, 1001),
    ],
    "two equal counts": [
        ("counter:1", INCR, number(1), 1, 2),
        ("counter:1", INCR, number(1), 1, 2),
    ],
    "a counter going back": [
        ("counter:1", INCR, number(2), 1, 2),
        ("counter:1", INCR, number(1), 3, 4),
    ],
    "a lost append": [("list:1", add("a;"), number(2), 1, 2), ("list:1", "get", value(""), 1000, 1001)],
    "an append twice": [("list:1", add("a;"), "unknown", 1, 2), ("list:1", "get", value("a;a;"), 1000, 1001)],
    "an append at another place": [
        ("list:1", add("a;"), number(2), 1, 2),
        ("list:1", add("b;"), number(4), 3, 4),
        ("list:1", "get", value("b;a;"), 1000, 1001),
    ],
    "a stale list": [
        ("list:1", add("a;"), number(2), 1, 2),
        ("list:1", "get", NIL, 3, 4),
        ("list:1", "get", value("a;"), 1000, 1001),
    ],
}


@pytest.mark.parametrize("operations", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_found(judge, operations):
    assert len(judge(*operations)) > 0
