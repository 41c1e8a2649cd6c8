"""The catch-up: replicate up to the checkpoint, judge by progress alone, follow the primary when it moves."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tidemark.errors import (
    BinlogsPurged,
    ErrantTransactions,
    ReplicationFailed,
    SourceDenied,
    SourceUnfit,
    TidemarkError,
)
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.flavours.base import Flavour, ReplicaStatus
from tidemark.mysql.replication import errors
from tidemark.mysql.server.private import PrivateServer
from tidemark.mysql.session import Session
from tidemark.mysql.source.connect import connect
from tidemark.progress import Guard, Progress, ProgressCallback, always

log = logging.getLogger(__name__)

POLL = 0.25
"""Seconds between two looks at the replication."""
ASK_AGAIN = 3.0
"""Seconds between two questions where the primary is, while replication is broken."""
SILENCE = 20.0
"""Seconds without progress after which that is asked though replication looks healthy: an old primary may live on."""
DENIED_PATIENCE = 60.0
"""Seconds for which a refused account may still be on its way: to a new primary, or to this node's password file."""
ANSWER_PATIENCE = 300.0
"""Seconds that the private server may take for an answer to a question that costs it nothing."""
STOP_PATIENCE = 10.0
"""Seconds that replication may take to stop when a catch-up has failed."""
APPLY_TRIES = 3
"""How often a transaction that cannot be applied is tried at all."""


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
    source: str
    """The server that was followed at the end, ``host:port``; empty when there was nothing to follow."""
    moves: int
    """How often that was another server than before."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a catch-up before its checkpoint."""

    stall_timeout: float
    """Seconds without any progress."""
    guard: Guard = always
    """Called all the time; raises to end it."""


def replicate_until(
    server: PrivateServer,
    endpoint_now: Callable[[], Endpoint],
    checkpoint: str,
    limits: Limits,
    *,
    progress: ProgressCallback,
    since: datetime | None = None,
) -> Catchup:
    """Ends with the server exactly at the checkpoint and replication stopped.

    ``endpoint_now`` is asked where the source is, and by which account, whenever that is in doubt; ``since`` is when
    the primary was at the server's position, for the hint of ``BinlogsPurged``. Raises ``BinlogsPurged`` and
    ``ErrantTransactions`` at once, ``SourceDenied`` after a minute, ``ReplicationFailed`` for a transaction that cannot
    be applied, and when nothing gets on any more.
    """
    return _CatchUp(server, endpoint_now, server.flavour.normalise(checkpoint), limits, progress, since).run()


class _CatchUp:
    def __init__(
        self,
        server: PrivateServer,
        endpoint_now: Callable[[], Endpoint],
        checkpoint: str,
        limits: Limits,
        progress: ProgressCallback,
        since: datetime | None,
    ) -> None:
        self._server = server
        self._flavour: Flavour = server.flavour
        self._endpoint_now = endpoint_now
        self._endpoint: Endpoint | None = None
        self._checkpoint = checkpoint
        self._stall_timeout = limits.stall_timeout
        self._progress = progress
        self._since = since
        self._guard = limits.guard
        self._trouble: TidemarkError | None = None
        """What went wrong last, for the message if it never gets better."""
        self._denied_since: float | None = None
        self._asked_at = 0.0
        self._moves = 0
        self._failed_at = ""
        """The position after which a transaction could not be applied."""
        self._failures = 0
        """How often that one could not."""

    def run(self) -> Catchup:
        # A session of its own: a server that hangs must not hang us.
        with self._server.open_session(answer_timeout=ANSWER_PATIENCE) as session:
            return self._run(session)

    def _run(self, session: Session) -> Catchup:
        began = time.monotonic()
        start = position = self._flavour.private_position(session)
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
        source = "" if self._endpoint is None else str(self._endpoint)
        seconds = round(time.monotonic() - began, 3)
        return Catchup(start, position, self._checkpoint, total, seconds, source, self._moves)

    def _replicate(self, session: Session, total: int) -> str:
        moved_at = drained_at = time.monotonic()
        seen = ("", "")
        self._follow(session)
        while True:
            self._guard()
            position = self._flavour.private_position(session)
            status = self._flavour.replica_status(session, position)
            now = time.monotonic()
            if (position, status.read) != seen:
                seen, moved_at = (position, status.read), now
            if not _is_draining(status):
                drained_at = now
            missing = self._flavour.count_missing(position, self._checkpoint)
            self._progress(Progress("replicating", total - missing, total, "transactions", self._describe(status)))
            if not missing and self._flavour.reached(position, self._checkpoint):
                return self._settle(session)
            if self._endpoint is None or _is_broken(status):
                self._judge(status, position, now)
                if _is_draining(status) and now - drained_at < self._stall_timeout:
                    moved_at = now  # to stop it would be to wait for the transaction in hand, however long it takes
                elif now - self._asked_at >= ASK_AGAIN:
                    self._follow(session)
            elif status.pending and status.applying:
                moved_at = now  # one transaction can take longer than any patience: an ALTER TABLE does
                self._clear()
            elif now - moved_at < SILENCE:
                self._clear()
            elif now - self._asked_at >= SILENCE:
                self._look_around(session)
            if now - moved_at > self._stall_timeout:
                raise self._stalled(status, missing)
            time.sleep(POLL)

    def _clear(self) -> None:
        self._trouble, self._denied_since = None, None

    def _settle(self, session: Session) -> str:
        """The checkpoint is reached: stops, and looks once more at where that is."""
        self._flavour.stop_replication(session)
        return self._flavour.private_position(session)

    def _look_around(self, session: Session) -> None:
        """Replication looks healthy and brings nothing: perhaps the source is not the primary any more."""
        self._asked_at = time.monotonic()
        try:
            endpoint = self._endpoint_now()
        except TidemarkError as error:
            self._trouble = error
            return
        if str(endpoint) != str(self._endpoint):
            self._follow(session)

    def _follow(self, session: Session) -> None:
        """Asks where the primary is and (re)starts replication from there, if it can be followed."""
        self._asked_at = time.monotonic()
        try:
            endpoint = self._endpoint_now()
            with connect(endpoint, self._flavour.name) as source:
                source.check_fit()
                source.check_follows(self._flavour.private_position(session), self._since)
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
        if self._endpoint is not None and str(endpoint) != str(self._endpoint):
            self._moves += 1
            log.warning("the catch-up goes on with %s instead of %s", endpoint, self._endpoint)
        self._endpoint = endpoint

    def _judge(self, status: ReplicaStatus, position: str, now: float) -> None:
        """Raises for what never heals; remembers the rest."""
        where = str(self._endpoint)
        if error := errors.hopeless(status, where):
            raise self._in_detail(error)
        found = errors.trouble(status, where)
        if isinstance(found, SourceDenied):
            self._note_denied(found, now)
        elif found is not None:
            self._trouble = found
            if errors.will_fail_again(status):
                self._count_failure(found, position)

    def _in_detail(self, error: TidemarkError) -> TidemarkError:
        """The source itself can say what it has purged and how long it keeps what; its thread cannot."""
        if self._endpoint is not None:
            try:
                with connect(self._endpoint, self._flavour.name) as source:
                    source.check_follows(self._server.position(), self._since)
            except (BinlogsPurged, ErrantTransactions) as detailed:
                return detailed
            except TidemarkError:
                return error
        return error

    def _count_failure(self, error: TidemarkError, position: str) -> None:
        """Once per attempt: ``_follow``, which starts the next one, comes right after when it is time."""
        if time.monotonic() - self._asked_at < ASK_AGAIN:
            return
        self._failures = self._failures + 1 if position == self._failed_at else 1
        self._failed_at = position
        if self._failures >= APPLY_TRIES:
            raise ReplicationFailed(f"{error.message}; tried {self._failures} times", error.hint)

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
        seen = f"{self._endpoint}, receiving: {status.receiving}, applying: {'Yes' if status.applying else 'No'}"
        return errors.stalled(self._trouble, what, seen)

    def _describe(self, status: ReplicaStatus) -> str:
        if self._trouble is not None:
            return self._trouble.message.splitlines()[0][:160]
        if status.receiving == "Connecting":
            return "connecting"
        return "" if status.behind is None else f"{status.behind} s behind"

    def _stop_if_alive(self) -> None:
        """However it ended, nothing goes on replicating; a server that has died has stopped anyway, and one that is in
        the middle of a huge transaction must not hold up the error that is on its way: who gets it kills the server."""
        try:
            with self._server.open_session(answer_timeout=STOP_PATIENCE) as session:
                self._flavour.stop_replication(session)
        except TidemarkError:
            return


def _is_broken(status: ReplicaStatus) -> bool:
    return status.receiving != "Yes" or not status.applying or bool(status.receive_errno or status.apply_errno)


def _is_draining(status: ReplicaStatus) -> bool:
    """Whether the source is lost while what it has sent is still being applied."""
    return status.receiving != "Yes" and status.applying and status.pending and not status.apply_errno
