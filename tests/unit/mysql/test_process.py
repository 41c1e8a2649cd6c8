"""A slow process is told from one that hangs by what it does, not by the time it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import psutil
import pytest

from tidemark.mysql.process import Activity

pytestmark = pytest.mark.unit


class Process:
    """What psutil tells of one; the test says what it has done."""

    def __init__(self) -> None:
        self.written = 0
        self.computed = 0.0
        self.gone = False

    @contextmanager
    def oneshot(self) -> Iterator[None]:
        yield

    def io_counters(self) -> SimpleNamespace:
        if self.gone:
            raise psutil.NoSuchProcess(1)
        return SimpleNamespace(read_bytes=0, write_bytes=self.written, read_chars=0, write_chars=0)

    def cpu_times(self) -> SimpleNamespace:
        return SimpleNamespace(user=self.computed, system=0.0)


def test_a_process_that_writes_or_computes_is_not_idle() -> None:
    now = [0.0]
    process = Process()
    activity = Activity(cast(psutil.Process, process), clock=lambda: now[0])

    for _ in range(10):
        now[0] += 60
        process.written += 2 << 20
        assert activity.idle() == 0
    now[0] += 60
    process.computed += 5
    assert activity.idle() == 0


def test_a_process_that_only_wakes_and_sleeps_again_is_idle() -> None:
    now = [0.0]
    process = Process()
    activity = Activity(cast(psutil.Process, process), clock=lambda: now[0])

    now[0], process.written, process.computed = 600.0, 4096, 0.2

    assert activity.idle() == 600
    process.gone = True
    now[0] = 700.0
    assert activity.idle() == 700
