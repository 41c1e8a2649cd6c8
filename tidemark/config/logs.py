"""``[logs]``: how workers log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tidemark.config.types import ConfigPath, Section


class LogSettings(Section):
    """How workers log. What a run's steps log is kept in Redis as well, for `tidemark logs`. A worker reads this when
    it starts."""

    format: Literal["text", "json"] = "text"
    """``json``: an object per line, with time, level, node, shard, run and step."""
    file: ConfigPath | None = None
    """A file that the same lines are appended to, besides standard error; opened anew when it has been rotated."""
    keep_lines: int = Field(2000, ge=0, le=100_000)
    """The newest lines of each run that Redis keeps, for two weeks; 0 keeps none."""
