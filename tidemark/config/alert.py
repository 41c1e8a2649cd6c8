"""``[alert]``: from when on a shard counts as not safe, and who is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from tidemark.config.types import ConfigPath, Duration, Section


class AlertSettings(Section):
    """From when on a shard counts as not safe, and who is told: `tidemark status` exits with 1, and the control worker
    calls the webhook."""

    max_age: Duration | None = Field(None, gt=timedelta(0))
    """How old a shard's newest backup may be; without it, twice ``cycle.every``: one run may fail."""
    max_proven_age: Duration | None = Field(None, gt=timedelta(0))
    """How old the newest backup may be that a later run has fetched and started; without it, ``max_age`` and a cycle
    more, for it takes the next run to prove one; with ``[node] keep`` ``prove_every`` more."""
    webhook_url_file: ConfigPath | None = None
    """A file of mode 0600 that holds the address to POST to when a run fails, a shard is over its age, and when that is
    over: such addresses are secrets. Without it nobody is told."""
    webhook_format: Literal["json", "slack"] = "json"
    """What is posted: Tidemark's own JSON, or a message as Slack, Mattermost and their like take it."""
    repeat_every: Duration = timedelta(hours=12)
    """As long as a shard has the same trouble, it is told again after this time."""

    @model_validator(mode="after")
    def _check(self) -> AlertSettings:
        if self.repeat_every < timedelta(minutes=1):
            raise ValueError("repeat_every is shorter than a minute")
        if self.max_age and self.max_proven_age and self.max_proven_age < self.max_age:
            raise ValueError("max_proven_age is shorter than max_age; it takes the next run to prove a backup")
        return self
