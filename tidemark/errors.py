"""Every error that Tidemark raises on purpose. Each says what happened and what was seen; a hint says what to try.

    TidemarkError
    ├── ConfigError               the configuration, or what was asked of it, is wrong
    │   └── UnknownShard
    ├── StorageError              a store refused or failed
    │   ├── ObjectMissing
    │   ├── ObjectExists          put_if_absent found the name taken
    │   ├── AccessDenied
    │   ├── StorageFull
    │   └── StorageUnavailable    the only one that is worth a retry
    ├── RepositoryError
    │   ├── KeyUnavailable        no master key, or one that the repository does not know
    │   ├── ForeignRepository     the place holds something else than a Tidemark repository
    │   │   └── RepositoryMissing     it holds nothing at all
    │   ├── Damaged               an object is not what was stored; carries the object's name
    │   ├── NewerFormat           a newer Tidemark has written it
    │   ├── ChainBroken           backups that were there have vanished or were replaced
    │   ├── BackupMissing
    │   └── BackupConflict        another run has committed this number
    ├── ServerError               the private server
    │   ├── ProgramMissing
    │   ├── ServerStartFailed
    │   ├── StopFailed            it did not stop
    │   ├── StatementFailed       one of the operator's own statements failed
    │   └── DataFolderVoid        it died uncleanly: go back to restore
    ├── SourceError               the primary
    │   ├── SourceUnreachable
    │   ├── SourceDenied
    │   ├── PrimaryUnclear        none of the shard's hosts takes writes, or more than one does
    │   ├── SourceUnfit           it lacks something that a backup needs (binary log, GTIDs, a plugin, a right)
    │   ├── BinlogsPurged
    │   ├── ErrantTransactions
    │   └── ReplicationFailed     stalled, or stopped with an error
    ├── AlertError                nobody could be told
    ├── FleetError
    │   └── RedisUnavailable      Redis does not answer, or refuses us
    └── RunError
        ├── NoBackup              there is none to start from, and the policy refuses to make a first one
        ├── LeaseHeld             another run owns the shard
        ├── LeaseLost
        ├── LimitExceeded
        └── DiskFull

Errors travel through Celery's JSON results, which rebuild them as ``cls(*args)``: keep every constructor to
``(message, hint)`` of plain strings.
"""

from __future__ import annotations


class TidemarkError(Exception):
    """Something that Tidemark can explain. ``str()`` gives the message, and the hint on a line of its own."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nHINT: {self.hint}" if self.hint else self.message


class ConfigError(TidemarkError):
    """The configuration file, or a value in it, is not usable."""


class UnknownShard(ConfigError):
    """The shard that was asked for is not in the configuration."""


class StorageError(TidemarkError):
    """A store refused an operation or failed at it."""


class ObjectMissing(StorageError):
    """No object has this name."""


class ObjectExists(StorageError):
    """``put_if_absent`` found an object of this name; nothing was changed."""


class AccessDenied(StorageError):
    """The store does not let us do this."""


class StorageFull(StorageError):
    """The store has no room left."""


class StorageUnavailable(StorageError):
    """The store did not answer, or asked us to come back later. Worth a retry."""


class RepositoryError(TidemarkError):
    """What the store holds is not usable as a repository."""


class KeyUnavailable(RepositoryError):
    """The master key is missing, unreadable or not one that this repository knows."""


class ForeignRepository(RepositoryError):
    """The place that was configured holds something else than a Tidemark repository."""


class RepositoryMissing(ForeignRepository):
    """The place that was configured is empty: no backup was ever made there, or it is the wrong place."""


class Damaged(RepositoryError):
    """An object is not what was stored under its name."""


class NewerFormat(RepositoryError):
    """A newer Tidemark has written it, and this one cannot read it. It is not damaged, and must not be passed over."""


class ChainBroken(RepositoryError):
    """The newest backup that was seen before has vanished, or another one stands under its number."""


class BackupMissing(RepositoryError):
    """The shard has no complete backup of this number."""


class BackupConflict(RepositoryError):
    """Another run has committed a backup under the number that this run was about to take."""


class ServerError(TidemarkError):
    """The private server failed."""


class ProgramMissing(ServerError):
    """A program of the flavour is not installed where we look."""


class ServerStartFailed(ServerError):
    """The private server did not come up."""


class StopFailed(ServerError):
    """The private server did not stop in time, or refuses to."""


class StatementFailed(ServerError):
    """One of the operator's own statements failed on the private server."""


class DataFolderVoid(ServerError):
    """The private server died uncleanly; with relaxed durability nobody can vouch for its pages."""


class SourceError(TidemarkError):
    """The primary, or the replica that stands in for it, cannot serve this run."""


class SourceUnreachable(SourceError):
    """The source does not answer."""


class SourceDenied(SourceError):
    """The source refuses the account or its rights."""


class PrimaryUnclear(SourceError):
    """None of the servers that can be a shard's primary takes writes, or more than one does."""


class SourceUnfit(SourceError):
    """The source lacks something that a backup needs: a binary log, GTIDs, a plugin, a right."""


class BinlogsPurged(SourceError):
    """The source no longer has the transactions that follow the newest backup."""


class ErrantTransactions(SourceError):
    """The backup holds transactions that the source has never seen."""


class ReplicationFailed(SourceError):
    """Replication from the source stopped with an error, or made no progress for too long."""


class AlertError(TidemarkError):
    """A message could not be delivered to the webhook."""


class FleetError(TidemarkError):
    """What the fleet shares cannot be used."""


class RedisUnavailable(FleetError):
    """Redis does not answer, or refuses us."""


class RunError(TidemarkError):
    """The run itself cannot go on."""


class NoBackup(RunError):
    """There is no backup to start from, and ``first_backup`` does not allow making one."""


class LeaseHeld(RunError):
    """Another run owns the shard."""


class LeaseLost(RunError):
    """The shard's lease went to somebody else; this run must not commit anything."""


class LimitExceeded(RunError):
    """A step took longer than ``[limits]`` allows."""


class DiskFull(RunError):
    """The node's scratch folder, or a restore's target, has no room."""
