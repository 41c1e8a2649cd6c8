"""Catch-up: the private server replicates from the primary up to the checkpoint, and not a transaction further."""

from __future__ import annotations

import logging
import time

from tidemark import mysql
from tidemark.errors import DataFolderVoid
from tidemark.progress import ProgressCallback, ignore
from tidemark.steps import restore, rooms
from tidemark.steps.results import CatchupResult, RestoreResult
from tidemark.steps.run import Guard, Run, always

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a run may start over from restore because its server died."""


def run(run: Run, *, progress: ProgressCallback = ignore, guard: Guard = always) -> CatchupResult:
    """Ends with the server at the checkpoint. A server that died uncleanly sends the run back to restore."""
    if done := run.recall(CatchupResult):
        return done
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return run.record(_catch_up(run, progress, guard))
        except DataFolderVoid:
            if attempt == ATTEMPTS:
                raise
            restore.again(run, progress=progress, guard=guard)
    raise AssertionError("the loop returns or raises")


def _catch_up(run: Run, progress: ProgressCallback, guard: Guard) -> CatchupResult:
    began = time.monotonic()
    restored = run.expect(RestoreResult)
    if restored.skipped:
        return CatchupResult(run=run.id, shard=run.shard.name, skipped=restored.skipped)
    guard()
    flavour = rooms.find_flavour(run.settings, restored.flavour)
    server = rooms.private_server(run, flavour, restored.variables)
    if restored.first_backup == "empty":
        server.start(progress)
        return _result(run, flavour, server.position(), server.position(), "", 0, "", began)

    # The goalposts do not move: the checkpoint is taken once, before the server starts.
    endpoint = rooms.endpoint(run.shard, run.config_path)
    with mysql.connect(endpoint, flavour=restored.flavour) as source:
        source.check_fit()
        source.check_follows(restored.position)
        checkpoint = source.position()

    server.start(progress)
    server.set_position(restored.position)
    guard()
    caught = server.replicate_until(
        lambda: rooms.endpoint(run.shard, run.config_path),
        checkpoint,
        stall_timeout=run.shard.stall_timeout.total_seconds(),
        progress=progress,
    )
    log.info("%s: caught up %d transactions to %s", run.shard.name, caught.transactions, checkpoint)
    return _result(run, flavour, caught.start, caught.position, checkpoint, caught.transactions, str(endpoint), began)


def _result(
    run: Run,
    flavour: mysql.Flavour,
    start: str,
    position: str,
    checkpoint: str,
    transactions: int,
    source: str,
    began: float,
) -> CatchupResult:
    return CatchupResult(
        run=run.id,
        shard=run.shard.name,
        source=source,
        server_version=flavour.server_version,
        start=start,
        checkpoint=checkpoint,
        position=position,
        transactions=transactions,
        seconds=round(time.monotonic() - began, 3),
    )
