"""``[fleet]`` and ``[limits]``: how much may go on at once, how often a lost run is tried again, how long a step may
take."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from tidemark.config.types import Duration, Section


class FleetSettings(Section):
    """What holds for all nodes together."""

    max_per_host: int = Field(0, ge=0)
    """How many runs that could read from the same host may go on at once; 0 is no bound. A shard counts at every host
    of ``host`` or ``hosts``, for each can be its primary; with ``source = "replica"`` at those of its replicas. A shard
    over the bound waits without holding a node."""
    max_per_keyspace: int = Field(0, ge=0)
    """The same for the shards of one keyspace."""
    attempts: int = Field(3, ge=1)
    """Runs that are made for one request when nodes are lost in the middle of it."""
    retry_after: Duration = timedelta(minutes=1)
    """How long a request waits after its first lost run; twice as long after each further one."""
    forget_after: Duration = Field(timedelta(days=30), ge=timedelta(days=1))
    """When what Redis knows of a shard that has left the configuration is forgotten, after the last that happened to
    it. Its backups stay."""

    @property
    def bounded(self) -> bool:
        """Whether there is any bound on what runs at once."""
        return bool(self.max_per_host or self.max_per_keyspace)


class LimitSettings(Section):
    """How long each step of a run may take; by default as long as it makes progress (``stall_timeout``). A step over
    its limit fails the run, which is then cleared up. A step that starts again after its node was killed has its whole
    time again."""

    restore: Duration | None = Field(None, gt=timedelta(0))
    """Bringing the newest backup back, or making the first data folder."""
    catchup: Duration | None = Field(None, gt=timedelta(0))
    """Starting the private server and replicating to the checkpoint."""
    stop: Duration | None = Field(None, gt=timedelta(0))
    """The shard's own statements and the clean shutdown."""
    upload: Duration | None = Field(None, gt=timedelta(0))
    """Storing the new backup, committing it, pruning and mirroring."""

    def of(self, step: str) -> timedelta | None:
        """The limit of a step, by its name."""
        limit: timedelta | None = getattr(self, step)
        return limit
