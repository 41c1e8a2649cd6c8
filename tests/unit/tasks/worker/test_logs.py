"""Log lines carry shard, run, step and node; and a Redis that is away costs lines, never time."""

from __future__ import annotations

import json
import logging
import time

import pytest

from tasks.worker import logs
from tasks.worker.log_shipping import Shipping
from tidemark.config import RedisSettings

pytestmark = pytest.mark.unit

RUN = "20261126T010203Z-1a2b3c4d"


def record(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("tasks.base", level, __file__, 1, message, args, None)
    logs.Where().filter(made)
    return made


def test_a_line_as_json_says_what_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_node", "node1@a")
    with logs.about("commerce/-80", RUN, "upload"):
        line = json.loads(logs.AsJson().format(record("done in %.1f s", 2.5)))

    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "INFO",
        "node": "node1@a",
        "shard": "commerce/-80",
        "run": RUN,
        "step": "upload",
        "logger": "tasks.base",
        "message": "done in 2.5 s",
    }


def test_a_line_about_nothing_says_nothing_of_it() -> None:
    line = json.loads(logs.AsJson().format(record("ready")))

    assert not line.keys() & {"shard", "run", "step"}
    assert record("ready").where == ""  # type: ignore[attr-defined]


def test_the_text_format_names_shard_step_and_run() -> None:
    with logs.about("commerce/-80", RUN, "upload"):
        assert record("x").where == f" [commerce/-80 upload {RUN}]"  # type: ignore[attr-defined]


def test_without_redis_lines_are_lost_and_nothing_waits_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.worker.log_shipping.WAITING", 3)
    monkeypatch.setattr("tasks.worker.log_shipping.PATIENCE", 0.2)
    shipping = Shipping(RedisSettings(url="redis://127.0.0.1:1/0"), 10, logs.line_of)
    with logs.about("commerce/-80", RUN, "upload"):
        began = time.monotonic()
        for number in range(100):
            shipping.emit(record("line %d", number))
        shipping.flush()

    assert time.monotonic() - began < 10
