"""Log lines say which shard, step and run they are about."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from celery.signals import after_setup_logger, after_setup_task_logger

_about = ContextVar("_about", default="")
_process_wide = ""
"""What the process is about: threads that a step starts begin with an empty context, and a node does one step at a
time."""


@contextlib.contextmanager
def about(shard: str, run: str = "", step: str = "") -> Iterator[None]:
    """Within the block every log line of this process names the shard, the step and the run."""
    global _process_wide
    words = " ".join(word for word in (shard, step, run) if word)
    token, before = _about.set(words), _process_wide
    _process_wide = words
    try:
        yield
    finally:
        _process_wide = before
        _about.reset(token)


class Where(logging.Filter):
    """Gives every record a ``where``: `` [commerce/-80 upload 20261123T210713Z-1a2b3c4d]``, or nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        words = _about.get() or _process_wide
        record.where = f" [{words}]" if words else ""
        return True


@after_setup_logger.connect
@after_setup_task_logger.connect
def add_where(logger: logging.Logger, **_: Any) -> None:
    """Celery has made its handlers; their format asks for ``where``."""
    for handler in logger.handlers:
        handler.addFilter(Where())
