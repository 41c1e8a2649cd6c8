"""Stop: from a server at the checkpoint to a cold data folder whose exact position is known."""

from __future__ import annotations

import time

from tidemark import mysql
from tidemark.errors import DataFolderVoid
from tidemark.progress import Guard, ProgressCallback, always, ignore
from tidemark.results import CatchupResult, RestoreResult, StopResult
from tidemark.steps import bounds, catchup, restore
from tidemark.steps.run import InventoryNote, Run
from tidemark.steps.tools import ServerTools


def run(run: Run, *, progress: ProgressCallback = ignore, guard: Guard = always) -> StopResult:
    """Returns only after a clean shutdown. A server that died sends the run back to restore and catch-up."""
    if done := run.recall(StopResult):
        return done
    for attempt in range(1, catchup.ATTEMPTS + 1):
        try:
            return run.record(_stop(run, progress, guard))
        except DataFolderVoid:
            if attempt == catchup.ATTEMPTS:
                raise
            restore.again(run, progress=progress, guard=guard)
            catchup.run(run, progress=progress, guard=guard)
    raise AssertionError("the loop returns or raises")


def _stop(run: Run, progress: ProgressCallback, guard: Guard) -> StopResult:
    began = time.monotonic()
    restored = run.expect(RestoreResult)
    caught = run.expect(CatchupResult)
    if caught.skipped:
        return StopResult(run=run.id, shard=run.shard.name, skipped=caught.skipped)
    guard()
    servers = ServerTools.open(run)
    flavour = servers.flavour(restored.flavour)
    watch = bounds.DiskWatch(servers.disk, f"{run.shard.name}: the stop", always, most=bounds.JOURNAL_ROOM)
    with servers.server(flavour, caught.variables or restored.variables, restored.bytes) as server:
        server.start(progress)  # adopts the running one; starts it again when it was stopped but that was not recorded
        with watch.beside(lambda: mysql.kill_leftover(run.folder)):
            tolerated = server.execute_all(
                run.shard.sql_before_stop,
                timeout=run.shard.sql_timeout.total_seconds(),
                fail_on_error=run.shard.sql_fail_on_error,
            )
            position = server.position()
            run.note_inventory(
                "stopped", InventoryNote(server_version=flavour.server_version, inventory=server.inventory())
            )
            server.stop(upgrade_safe=run.shard.upgrade_safe, progress=progress)
            if run.shard.restart_before_backup:
                server.start(progress)
                server.stop(upgrade_safe=run.shard.upgrade_safe, progress=progress)
    return StopResult(
        run=run.id,
        shard=run.shard.name,
        position=position,
        tolerated=tuple(tolerated),
        seconds=round(time.monotonic() - began, 3),
    )
