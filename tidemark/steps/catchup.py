"""Catch-up: the private server replicates from the primary up to the checkpoint, and not a transaction further."""

from __future__ import annotations

import logging
import time

from tidemark import mysql
from tidemark.errors import Damaged, DataFolderVoid
from tidemark.holdings import differences, shortened
from tidemark.progress import Guard, ProgressCallback, always, ignore
from tidemark.results import CatchupResult, RestoreResult
from tidemark.steps import bounds, bridges, restore, sources
from tidemark.steps.run import Run
from tidemark.steps.tools import ServerTools

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
    servers = ServerTools.open(run)
    flavour = servers.flavour(restored.flavour)
    with servers.server(flavour, restored.variables, restored.bytes) as server:
        if restored.first_backup == "empty":
            server.start(progress)
            position = server.position()
            return CatchupResult(
                run=run.id,
                shard=run.shard.name,
                server_version=flavour.server_version,
                start=position,
                position=position,
                seconds=round(time.monotonic() - began, 3),
            )

        # The goalposts do not move: the checkpoint is taken once, before the server starts.
        found = sources.wait(run, progress, guard)
        with mysql.connect(found.endpoint, flavour=restored.flavour) as source:
            source.check_fit()
            for warning in source.warnings():
                log.warning("%s: %s", run.shard.name, warning)
            source.check_follows(restored.position, restored.position_at)
            checkpoint = source.position()
            engines = mysql.engines(source.session)
            server.share_time_zone(source, run.shard.time_zone)
            variables = server.share_variables(source)
            bridge = mysql.measure_bridge(source, restored.position, flavour, server.layout)
        sources.check_not_errant(run, found, checkpoint)

        server.start(progress)
        server.check_time_zone()
        if lacking := sorted(engines - mysql.engines(server.session())):
            log.warning(
                "%s: the source has storage engines that this server lacks: %s; a table of one of them would become "
                "another one's, or end the catch-up (plugins of the shard load them)",
                run.shard.name,
                ", ".join(lacking),
            )
        server.set_position(restored.position)
        _compare(run, server, restored)
        caught = mysql.replicate_until(
            server,
            lambda: sources.find_again(run, server.position()),
            checkpoint,
            mysql.CatchupLimits(
                stall_timeout=run.shard.stall_timeout.total_seconds(),
                guard=bounds.DiskWatch(servers.disk, f"{run.shard.name}: the catch-up", guard),
            ),
            progress=progress,
            since=restored.position_at,
        )
    log.info("%s: caught up %d transactions to %s", run.shard.name, caught.transactions, checkpoint)
    headroom, warning = bridges.judge(run, bridge, restored.position_at, str(found.endpoint))
    if warning:
        log.warning("%s: %s", run.shard.name, warning)
    return CatchupResult(
        run=run.id,
        shard=run.shard.name,
        source=caught.source or str(found.endpoint),
        replica=found.replica,
        source_lag_seconds=found.lag,
        moves=caught.moves,
        server_version=flavour.server_version,
        start=caught.start,
        checkpoint=checkpoint,
        position=caught.position,
        transactions=caught.transactions,
        variables=variables,
        binlog_bytes=bridge.total_bytes,
        binlog_retention_seconds=bridge.retention,
        oldest_binlog=bridge.oldest,
        oldest_binlog_at=bridge.oldest_at,
        bridge_bytes=bridge.bridge_bytes,
        bridge_seconds=headroom,
        bridge_warning=warning,
        seconds=round(time.monotonic() - began, 3),
    )


def _compare(run: Run, server: mysql.PrivateServer, restored: RestoreResult) -> None:
    """What was restored must be what the backup's manifest says. Raises ``Damaged``."""
    note = run.noted_inventory("restored")
    if note is None or not server.flavour.reached(restored.position, server.position()):
        return  # a backup without an inventory; or a step that comes again: the first one has compared
    same = note.server_version == server.flavour.server_version
    if lines := differences(note.inventory, server.inventory(), same_version=same):
        raise Damaged(
            f"{run.shard.name}: a server on backup {restored.backup} does not hold what its manifest says: "
            f"{shortened(lines)}",
            f"see whether an older one does: tidemark drill {run.shard.name} --backup N; to start anew: "
            f"tidemark backup {run.shard.name} --first-backup clone",
        )
