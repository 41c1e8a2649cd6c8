"""Log lines say which shard, step and run they are about: as text or as JSON, in a file if that is wanted, and in Redis
for ``tidemark logs``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from typing import Any

from celery.signals import after_setup_logger, after_setup_task_logger, celeryd_init

from tasks.worker.log_shipping import Shipping
from tidemark import config
from tidemark.fleet.logs import LogLine


@dataclass(frozen=True, slots=True)
class About:
    """What a line is about."""

    shard: str = ""
    run: str = ""
    step: str = ""

    def __str__(self) -> str:
        return " ".join(word for word in (self.shard, self.step, self.run) if word)


NOTHING = About()
_about = ContextVar("_about", default=NOTHING)
_process_wide = NOTHING
"""What the process is about: threads that a step starts begin with an empty context, and a node does one step at a
time."""
_node = ""
_shipping: Shipping | None = None


@contextlib.contextmanager
def about(shard: str, run: str = "", step: str = "") -> Iterator[None]:
    """Within the block every log line of this process names the shard, the step and the run."""
    global _process_wide
    now = About(shard, run, step)
    token, before = _about.set(now), _process_wide
    _process_wide = now
    try:
        yield
    finally:
        _process_wide = before
        _about.reset(token)
        if run and _shipping:
            _shipping.flush()


class Where(logging.Filter):
    """Gives every record a ``where``: `` [commerce/-80 upload 20261123T210713Z-1a2b3c4d]``, or nothing; and the same as
    ``about``."""

    def filter(self, record: logging.LogRecord) -> bool:
        known = _about.get()
        if known == NOTHING:
            known = _process_wide
        record.about, record.where = known, f" [{known}]" if known != NOTHING else ""
        return True


class AsJson(logging.Formatter):
    """An object per line."""

    def format(self, record: logging.LogRecord) -> str:
        return line_of(record).model_dump_json(exclude_defaults=True)


def line_of(record: logging.LogRecord) -> LogLine:
    """A record as its fields."""
    known = getattr(record, "about", NOTHING)
    return LogLine(
        time=datetime.fromtimestamp(record.created, UTC),
        level=record.levelname,
        node=_node,
        shard=known.shard,
        run=known.run,
        step=known.step,
        logger=record.name,
        message=record.getMessage(),
        exception=logging.Formatter().formatException(record.exc_info) if record.exc_info else "",
    )


@celeryd_init.connect
def note_node(sender: str, **_: Any) -> None:
    """A worker begins: its name goes into its lines."""
    global _node
    _node = str(sender)


@after_setup_logger.connect
@after_setup_task_logger.connect
def set_up(logger: logging.Logger, **_: Any) -> None:
    """Celery has made its handlers; their format asks for ``where``. Ours join them."""
    global _shipping
    settings = config.load()
    formatter = AsJson() if settings.logs.format == "json" else None
    if settings.logs.file and not any(isinstance(handler, WatchedFileHandler) for handler in logger.handlers):
        try:
            to_file = WatchedFileHandler(settings.logs.file, encoding="utf-8")
        except OSError as error:
            logger.error("[logs] file %s cannot be written: %s", settings.logs.file, error.strerror)
        else:
            to_file.setFormatter(logger.handlers[0].formatter if logger.handlers else None)
            logger.addHandler(to_file)
    for handler in logger.handlers:
        handler.addFilter(Where())
        if formatter:
            handler.setFormatter(formatter)
    if settings.logs.keep_lines and _node:  # a worker; beat has no runs
        _shipping = _shipping or Shipping(settings.redis, settings.logs.keep_lines, line_of)
        if _shipping not in logger.handlers:
            _shipping.addFilter(Where())
            logger.addHandler(_shipping)
