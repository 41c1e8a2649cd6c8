"""Waiting for something to become true. Tests never sleep for a guessed time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], seconds: float, what: str) -> T:
    """What ``condition()`` returns as soon as that is true; ``AssertionError`` naming ``what`` after ``seconds``.

    A condition may raise ``AssertionError`` to say why it does not hold yet; the last reason is part of the failure.
    """
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    delay = 0.005
    reason: AssertionError | None = None
    while True:
        try:
            if value := condition():
                return value
            reason = None
        except AssertionError as error:
            reason = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"after {seconds:g} s: {what}: still not so" + (f" ({reason})" if reason else ""))
        pause.wait(delay)
        delay = min(delay * 1.5, 0.2)


def for_a_moment(condition: Callable[[], object], seconds: float) -> bool:
    """Whether the condition came true within some seconds; for what may happen and need not."""
    try:
        wait_until(lambda: bool(condition()), seconds, "")
    except AssertionError:
        return False
    return True
