"""The catch-up: replicate up to the checkpoint, judge by progress alone, follow the primary when it moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidemark.errors import (
    BinlogsPurged,
    ErrantTransactions,
    ReplicationFailed,
    SourceDenied,
    SourceError,
    SourceUnfit,
    TidemarkError,
)
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.flavour import Flavour, ReplicaStatus
from tidemark.mysql.session import Session
from tidemark.mysql.source import DENIED, connect
from tidemark.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from tidemark.mysql.server import PrivateServer

POLL = 0.25
"""Seconds between two looks at the replication."""
ASK_AGAIN = 3.0
"""Seconds between two questions where the primary is, while replication is broken."""
DENIED_PATIENCE = 10.0
"""Seconds for which a refused account may still be on its way to a new primary."""

_FATAL_READ = frozenset({1236, 13114})
_PURGED_WORDS = ("purged", "missing transactions", "could not find", "Could not find")
_ERRANT_WORDS = ("diverged", "more GTIDs than", "errant", "in the future")

_DIFFERS = (
    "the copy is not what the primary has: restore an older backup, or take a first copy with --first-backup clone"
)
_APPLY_HINTS = {
    1032: _DIFFERS,
    1050: _DIFFERS,
    1062: _DIFFERS,
    1146: _DIFFERS,
    3185: "encrypted tables need the primary's keyring; Tidemark cannot back them up",
}


@dataclass(frozen=True, slots=True)
class Catchup:
    """A catch-up that has reached its checkpoint."""

    start: str
    """The position it began at."""
    position: str
    """The position it ended at: exactly the checkpoint, or where the server was if that was further."""
    checkpoint: str
    transactions: int
    """How many there were between the two."""
    seconds: float


def replicate_until(
    server: PrivateServer,
    endpoint_now: Callable[[], Endpoint],
    checkpoint: str,
    *,
    stall_timeout: float,
    progress: ProgressCallback,
) -> Catchup:
    """Ends with the server exactly at the checkpoint and replication stopped.

    Raises ``BinlogsPurged`` and ``ErrantTransactions`` at once, ``SourceDenied`` after some seconds, and
    ``ReplicationFailed`` after ``stall_timeout`` seconds without any progress.
    """
    return _CatchUp(server, endpoint_now, server.flavour.normalise(checkpoint), stall_timeout, progress).run()


class _CatchUp:
    def __init__(
        self,
        server: PrivateServer,
        endpoint_now: Callable[[], Endpoint],
        checkpoint: str,
        stall_timeout: float,
        progress: ProgressCallback,
    ) -> None:
        self._server = server
        self._flavour: Flavour = server.flavour
        self._endpoint_now = endpoint_now
        self._endpoint: Endpoint | None = None
        self._checkpoint = checkpoint
        self._stall_timeout = stall_timeout
        self._progress = progress
        self._trouble: TidemarkError | None = None
        """What went wrong last, for the message if it never gets better."""
        self._denied_since: float | None = None
        self._asked_at = 0.0

    def run(self) -> Catchup:
        began = time.monotonic()
        session = self._server.session()
        start = position = self._server.position()
        total = self._flavour.count_missing(start, self._checkpoint)
        if not self._flavour.reached(position, self._checkpoint):
            self._flavour.stop_replication(session)  # a step that is resumed may find its own replication running
            self._flavour.relax(session, self._server.options)
            try:
                position = self._replicate(session, total)
            finally:
                self._stop_if_alive()
            if self._flavour.normalise(position) != self._checkpoint:
                raise ReplicationFailed(
                    f"the private server is at {position}, which is past the checkpoint {self._checkpoint}",
                    "this must not happen; please report it with the versions of both servers",
                )
        return Catchup(start, position, self._checkpoint, total, round(time.monotonic() - began, 3))

    def _replicate(self, session: Session, total: int) -> str:
        moved_at = time.monotonic()
        seen = ("", "")
        self._follow(session)
        while True:
            position = self._server.position()
            status = self._flavour.replica_status(session, position)
            now = time.monotonic()
            if (position, status.read) != seen:
                seen, moved_at = (position, status.read), now
            missing = self._flavour.count_missing(position, self._checkpoint)
            self._progress(Progress("replicating", total - missing, total, "transactions", self._describe(status)))
            if not missing and self._flavour.reached(position, self._checkpoint):
                return self._settle(session)
            if self._endpoint is None or _is_broken(status):
                self._judge(status, now)
                if now - self._asked_at >= ASK_AGAIN:
                    self._follow(session)
            else:
                self._trouble, self._denied_since = None, None
                if status.pending and status.applying:
                    moved_at = now  # one transaction can take longer than any patience: an ALTER TABLE does
            if now - moved_at > self._stall_timeout:
                raise self._stalled(status, missing)
            time.sleep(POLL)

    def _settle(self, session: Session) -> str:
        """The checkpoint is reached: stops, and looks once more at where that is."""
        self._flavour.stop_replication(session)
        return self._server.position()

    def _follow(self, session: Session) -> None:
        """Asks where the primary is and (re)starts replication from there, if it can be followed."""
        self._asked_at = time.monotonic()
        try:
            endpoint = self._endpoint_now()
            with connect(endpoint, self._flavour.name) as source:
                source.check_fit()
                source.check_follows(self._server.position())
                encrypted = source.encrypted
        except (BinlogsPurged, ErrantTransactions):
            raise
        except SourceDenied as error:
            self._note_denied(error)
            return
        except SourceUnfit as error:
            if self._endpoint is None:
                raise
            self._trouble = error
            return
        except TidemarkError as error:
            self._trouble = error
            return
        self._flavour.stop_replication(session)
        self._flavour.follow(session, endpoint, encrypted=encrypted, checkpoint=self._checkpoint)
        self._endpoint = endpoint

    def _judge(self, status: ReplicaStatus, now: float) -> None:
        """Raises for what never heals; remembers the rest."""
        if status.receive_errno in _FATAL_READ:
            where = str(self._endpoint)
            text = f"{where}: {status.receive_error} ({status.receive_errno})"
            if any(word in status.receive_error for word in _ERRANT_WORDS):
                raise ErrantTransactions(
                    text, "see whether this is the right primary; if it is, take a first copy with --first-backup clone"
                )
            if any(word in status.receive_error for word in _PURGED_WORDS):
                raise BinlogsPurged(
                    text, "raise binlog_expire_logs_seconds, or take a first copy again with --first-backup clone"
                )
        if status.apply_errno:
            self._trouble = ReplicationFailed(
                f"a transaction cannot be applied: {status.apply_error} ({status.apply_errno})"
            )
        elif status.receive_errno:
            text = f"{self._endpoint}: {status.receive_error} ({status.receive_errno})"
            if status.receive_errno in DENIED:
                self._note_denied(SourceDenied(text, "check user, password_file and the account's rights"), now)
            else:
                self._trouble = ReplicationFailed(text)

    def _note_denied(self, error: SourceDenied, now: float | None = None) -> None:
        self._trouble = error
        now = time.monotonic() if now is None else now
        self._denied_since = self._denied_since or now
        if self._endpoint is None or now - self._denied_since > min(DENIED_PATIENCE, self._stall_timeout):
            raise error

    def _stalled(self, status: ReplicaStatus, missing: int) -> TidemarkError:
        what = (
            f"no progress for {self._stall_timeout:.0f} s with {missing} transactions missing to the checkpoint "
            f"{self._checkpoint}"
        )
        trouble = self._trouble
        if trouble is None:
            seen = f"receiving: {status.receiving}, applying: {'Yes' if status.applying else 'No'}"
            return ReplicationFailed(
                f"{what} ({self._endpoint}, {seen})",
                "see whether the primary has lost these transactions in a failover, or whether it hangs",
            )
        hint = trouble.hint or _APPLY_HINTS.get(
            status.apply_errno, "see the error; it is the source's or the server's own"
        )
        kind = type(trouble) if isinstance(trouble, SourceError) else ReplicationFailed
        return kind(f"{what}: {trouble.message}", hint)

    def _describe(self, status: ReplicaStatus) -> str:
        if self._trouble is not None:
            return self._trouble.message.splitlines()[0][:160]
        if status.receiving == "Connecting":
            return "connecting"
        return "" if status.behind is None else f"{status.behind} s behind"

    def _stop_if_alive(self) -> None:
        """However it ended, nothing goes on replicating; a server that has died has stopped anyway."""
        try:
            self._flavour.stop_replication(self._server.session())
        except TidemarkError:
            return


def _is_broken(status: ReplicaStatus) -> bool:
    return status.receiving != "Yes" or not status.applying or bool(status.receive_errno or status.apply_errno)
