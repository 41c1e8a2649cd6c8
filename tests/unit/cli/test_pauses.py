"""A Ctrl-C that nobody heard ends the next pause."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tidemark.cli.pauses import Pauses

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_a_destructor_swallowed_is_seen_at_the_next_pause() -> None:
    pauses = Pauses()
    pauses.listen()

    class Connection:
        def __del__(self) -> None:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                swallowed.append(True)

    swallowed: list[bool] = []
    Connection()
    assert swallowed

    with pytest.raises(KeyboardInterrupt):
        pauses.wait(60)


def test_without_one_a_pause_is_a_pause() -> None:
    pauses = Pauses()
    pauses.listen()

    pauses.wait(0.001)


def test_a_process_that_was_started_to_ignore_it_goes_on_doing_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pauses = Pauses()
    pauses.listen()

    signal.raise_signal(signal.SIGINT)
    pauses.wait(0.001)
