"""What a private server's replication threads say is wrong: what never heals, what may, and what to try."""

from __future__ import annotations

from tidemark.errors import (
    BinlogsPurged,
    ErrantTransactions,
    ReplicationFailed,
    SourceDenied,
    SourceError,
    TidemarkError,
)
from tidemark.mysql.flavours.base import ReplicaStatus
from tidemark.mysql.source.connect import DENIED

_FATAL_READ = frozenset({1236, 13114})
_PURGED_WORDS = ("purged", "missing transactions", "could not find", "Could not find")
_ERRANT_WORDS = ("diverged", "more GTIDs than", "errant", "in the future")

_PASSING_APPLY = frozenset({1021, 1026, 1114, 1205, 1213, 1317, 1969, 3024, 3572})
"""A full disk, a lock that was waited for too long, a deadlock, an interruption: the same may succeed the next time."""

_DIFFERS = (
    "the copy is not what the primary has: restore an older backup, or take a first copy with --first-backup clone"
)
_NO_ROOM = "see the disk of this node: free some room, or set [node] scratch to a larger disk"
_APPLY_HINTS = {
    1021: _NO_ROOM,
    1026: _NO_ROOM,
    1114: _NO_ROOM,
    1032: _DIFFERS,
    1050: _DIFFERS,
    1051: _DIFFERS,
    1054: _DIFFERS,
    1062: _DIFFERS,
    1146: _DIFFERS,
    1677: _DIFFERS,
    3185: "encrypted tables need the primary's keyring; Tidemark cannot back them up",
}
_NO_HINT = "see the error; it is the source's or the server's own"


def hopeless(status: ReplicaStatus, where: str) -> SourceError | None:
    """The error of a source that this copy can never follow; None when there is hope."""
    if status.receive_errno not in _FATAL_READ:
        return None
    text = f"{where}: {status.receive_error} ({status.receive_errno})"
    if any(word in status.receive_error for word in _ERRANT_WORDS):
        return ErrantTransactions(
            text, "see whether this is the right primary; if it is, take a first copy with --first-backup clone"
        )
    if any(word in status.receive_error for word in _PURGED_WORDS):
        return BinlogsPurged(
            text, "raise binlog_expire_logs_seconds there, or take a first copy again with --first-backup clone"
        )
    return None


def trouble(status: ReplicaStatus, where: str) -> SourceError | None:
    """What stands in the way now and may pass; None when nothing does."""
    if status.apply_errno:
        return ReplicationFailed(
            f"a transaction cannot be applied: {status.apply_error} ({status.apply_errno})",
            _APPLY_HINTS.get(status.apply_errno, _NO_HINT),
        )
    if not status.receive_errno:
        return None
    text = f"{where}: {status.receive_error} ({status.receive_errno})"
    if status.receive_errno in DENIED:
        return SourceDenied(text, "check user, password_file and the account's rights")
    return ReplicationFailed(text)


def will_fail_again(status: ReplicaStatus) -> bool:
    """Whether applying failed with an error that trying again does not mend."""
    return bool(status.apply_errno) and status.apply_errno not in _PASSING_APPLY


def stalled(last: TidemarkError | None, what: str, seen: str) -> TidemarkError:
    """The error of a catch-up that waited long enough: of the kind that its last trouble had."""
    if last is None:
        return ReplicationFailed(
            f"{what} ({seen})", "see whether the primary has lost these transactions in a failover, or whether it hangs"
        )
    kind = type(last) if isinstance(last, SourceError) else ReplicationFailed
    return kind(f"{what}: {last.message}", last.hint or _NO_HINT)
