"""What each step returns, writes into the run's folder, and reports to the fleet. Never a secret."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from tidemark.errors import TidemarkError

STEPS = ("restore", "catchup", "stop", "upload")
"""A run's steps, in their order."""


class Failure(BaseModel):
    """Why something failed. Message and hint stay apart until somebody is told."""

    model_config = ConfigDict(frozen=True)

    message: str
    hint: str = ""
    """What to try."""
    place: str = ""
    """Where in the program it was raised: ``file:line, in function``; empty when no program can tell."""

    @classmethod
    def of(cls, error: BaseException, place: str = "") -> Failure:
        """What an error says; of errors that are not ours the kind as well."""
        if isinstance(error, TidemarkError):
            return cls(message=error.message, hint=error.hint, place=place)
        return cls(message=f"{type(error).__name__}: {error}", place=place)

    def on_one_line(self) -> Failure:
        """The same without line breaks, for where there is one line."""
        return self.model_copy(update={"message": " ".join(self.message.split()), "hint": " ".join(self.hint.split())})


class StepResult(BaseModel):
    """The part that all steps share."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: ClassVar[str]

    run: str
    """The run's id."""
    shard: str
    skipped: str = ""
    """Why there was nothing to do; empty when there was."""
    seconds: float = 0.0
    """How long the step took."""


class RestoreResult(StepResult):
    """A data folder at a known position, or the reason why this run has nothing to do."""

    step = "restore"

    flavour: str = ""
    backup: int | None = None
    """The number of the backup that was restored; None for a first backup."""
    backup_finished_at: datetime | None = None
    """When that backup was made, UTC."""
    first_backup: str | None = None
    """How the first data folder was made: ``clone``, ``replay`` or ``empty``."""
    newest: int | None = None
    """The number of the newest backup whose manifest can be read, when that is not the one that was restored."""
    damaged: dict[int, str] = {}
    """Newer backups that turned out to be damaged, and what is wrong with each: an alarm, though the run goes on."""
    unreadable: tuple[int, ...] = ()
    """Those of them whose manifest cannot be read."""
    position: str = ""
    """The GTID position that the data folder is at."""
    position_at: datetime | None = None
    """A time at which the primary had not yet gone beyond that position, UTC: what follows is no older than this."""
    variables: dict[str, str] = {}
    """Server variables that the data folder cannot do without."""
    started_at: datetime | None = None
    """When the run began, UTC."""
    bytes: int = 0
    """Bytes of database files that were written."""
    fetched_bytes: int = 0
    """Bytes that came from the repository."""
    kept: int | None = None
    """The number of the backup whose data folder this node had kept, and that the restore went on from: such a run
    proves nothing about the store."""
    throttled_seconds: float = 0.0
    """Seconds for which ``[node] restore_rate`` made the threads wait, all of them together."""


class SourceSeen(BaseModel):
    """What a catch-up saw of its source. None, as far as it was not asked or did not say."""

    model_config = ConfigDict(frozen=True)

    source: str = ""
    """Where the transactions came from, ``host:port``, at the end; empty when none were asked for."""
    replica: bool = False
    """Whether that is a replica that stands in for the primary."""
    source_lag_seconds: float | None = None
    """How far that replica was behind the primary when the checkpoint was taken; None for a primary."""
    binlog_bytes: int | None = None
    """Bytes of all binary logs that the source has."""
    binlog_retention_seconds: int | None = None
    """For how long the source keeps them (``binlog_expire_logs_seconds``); 0: it removes none by their age."""
    bridge_bytes: int | None = None
    """Bytes of binary logs older than the first one that the restored backup needs: what can still be purged."""
    bridge_seconds: float | None = None
    """How much older the restored backup could have been for the source to still have all that follows it. Below
    zero: it is only there because nothing was removed in time. None when nothing is ever removed, as far as known."""
    bridge_warning: str = ""
    """Why the next run may find binary logs purged; empty when nothing says so."""


class CatchupResult(StepResult, SourceSeen):
    """A running private server that has reached the checkpoint."""

    step = "catchup"

    moves: int = 0
    """How often the source was another server than before, in the middle of the catch-up: failovers."""
    server_version: str = ""
    """The private server's version."""
    start: str = ""
    """The position before."""
    checkpoint: str = ""
    """The source's position when the catch-up started: the position to reach."""
    position: str = ""
    """The position reached."""
    transactions: int = 0
    """Transactions between the two."""
    variables: dict[str, str] = {}
    """Server variables that the data folder cannot do without, as the source has them now."""
    oldest_binlog: str = ""
    """The name of the oldest of them."""
    oldest_binlog_at: datetime | None = None
    """When that one was begun, UTC."""


class StopResult(StepResult):
    """A cold data folder and its exact position."""

    step = "stop"

    position: str = ""
    tolerated: tuple[str, ...] = ()
    """Errors of the operator's own statements that ``sql_fail_on_error = false`` let pass."""


class MirrorLevel(BaseModel):
    """How far a mirror of the repository is with one shard."""

    model_config = ConfigDict(frozen=True)

    url: str
    newest: int | None = None
    """The newest backup that it has; None when it has none, or was not reached."""
    missing: int | None = None
    """Backups of the first repository that it does not have; None when it was not reached."""
    error: str = ""
    """Why it could not be brought level; empty when it could."""


class MirrorResult(MirrorLevel):
    """What was done to bring a mirror level, and how far it is now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    copied: tuple[int, ...] = ()
    """The backups that were copied to it now."""
    bytes: int = 0
    """Bytes that were copied to it now."""
    pruned: tuple[int, ...] = ()
    """The backups that were deleted from it now, because the first repository had pruned them."""
    seconds: float = 0.0


class UploadResult(StepResult):
    """A new full backup, committed and read back."""

    step = "upload"

    number: int | None = None
    position: str = ""
    checkpoint: str = ""
    digest: str = ""
    """The manifest's digest: what the next run expects to find under this number."""
    damaged: dict[int, str] = {}
    """Backups that this run found damaged and passed over, and what is wrong with each."""
    finished_at: datetime | None = None
    bytes: int = 0
    """Bytes of database files that the backup holds."""
    stored_bytes: int = 0
    """Bytes that this run added to the repository."""
    throttled_seconds: float = 0.0
    """Seconds for which ``[node] upload_rate`` made the threads wait, all of them together."""
    pruned: tuple[int, ...] = ()
    """The numbers of the backups that were pruned."""
    prune_error: str = ""
    """Why pruning failed; the backup itself is complete all the same."""
    mirrors: tuple[MirrorResult, ...] = ()
    """How the mirrors are doing after this backup; one that fails does not undo it."""
