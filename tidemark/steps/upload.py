"""Upload: from a cold data folder to a committed full backup, then pruning and mirroring."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from tidemark import mysql
from tidemark.errors import BackupConflict, RunError, TidemarkError
from tidemark.holdings import Inventory, shortened
from tidemark.maintenance import mirror
from tidemark.page_inspector import PageInspector
from tidemark.progress import Guard, ProgressCallback, always, ignore, showing_rate
from tidemark.repository import (
    Backup,
    Facts,
    FolderOrigin,
    Geometry,
    NewBackup,
    PackName,
    ShardRepository,
    UploadOptions,
)
from tidemark.results import CatchupResult, RestoreResult, StopResult, UploadResult
from tidemark.steps import bounds
from tidemark.steps.run import Run, Seen
from tidemark.steps.tools import UploadTools

log = logging.getLogger(__name__)


def run(
    run: Run,
    *,
    progress: ProgressCallback = ignore,
    guard: Guard = always,
    living_runs: frozenset[str] = frozenset(),
) -> UploadResult:
    """Returns only after the manifest can be read back. ``living_runs`` are other runs whose packs must stay. The run's
    folder stays until whoever called has noted the result: asked again, the step tells it from there."""
    if done := run.recall(UploadResult):
        return done
    began = time.monotonic()
    stopped = run.expect(StopResult)
    if stopped.skipped:
        result = UploadResult(run=run.id, shard=run.shard.name, skipped=stopped.skipped)
    else:
        guard()
        opened = UploadTools.open(run)
        backup, damaged = _commit(run, opened, showing_rate(opened.limits.rate.rate, "upload_rate", progress), guard)
        opened.known.remember(Seen(backup.number, backup.digest))
        pruned, prune_error = _prune(run, opened, living_runs - {run.id}, guard)  # ours is complete
        mirrors = mirror.run_all(run.settings, opened.repository, run.shard.name, progress=progress)
        result = UploadResult(
            run=run.id,
            shard=run.shard.name,
            number=backup.number,
            position=backup.position,
            checkpoint=backup.checkpoint,
            digest=backup.digest,
            damaged=run.expect(RestoreResult).damaged | damaged,
            finished_at=backup.finished_at,
            bytes=backup.bytes,
            stored_bytes=backup.stored_bytes,
            throttled_seconds=opened.limits.rate.waited,
            pruned=pruned,
            prune_error=prune_error,
            mirrors=mirrors,
        )
    run.record(result := result.model_copy(update={"seconds": round(time.monotonic() - began, 3)}))
    if result.number is not None:
        opened.disk.warm.keep(run.shard.name, run.data, result.number)
    return result


def _commit(run: Run, opened: UploadTools, progress: ProgressCallback, guard: Guard) -> tuple[Backup, dict[int, str]]:
    """The new backup, and what was found to be wrong with the one that it goes on from."""
    restored, caught, stopped = run.expect(RestoreResult), run.expect(CatchupResult), run.expect(StopResult)
    backups = opened.backups
    newest = backups.catalog.newest(passing_over=restored.unreadable)
    if newest and newest.run_id == run.id:
        return newest, {}  # committed by an earlier delivery of this step
    if (newest.number if newest else None) != (restored.newest or restored.backup):
        raise BackupConflict(
            f"{run.shard.name}: another run has committed backup {newest.number if newest else '?'} meanwhile",
            "nothing is lost; the next cycle starts from that backup",
        )
    note = run.noted_inventory("stopped")
    selection = _select(run, restored.flavour, note.inventory if note else None)
    facts = Facts(
        flavour=restored.flavour,
        server_version=caught.server_version,
        checkpoint=caught.checkpoint,
        position=stopped.position,
        restored_from=restored.backup,
        kept=restored.kept,
        first_backup=restored.first_backup,
        started_at=restored.started_at or datetime.now(UTC),
        variables=caught.variables or restored.variables,
        inventory=note.inventory if note else None,
    )
    base = backups.catalog.backup(restored.backup) if restored.newest and restored.backup else None
    blocks_of = base or newest
    lost, meaning = _find_lost(backups, blocks_of)
    damaged = {blocks_of.number: meaning} if blocks_of and lost else {}
    for number, message in damaged.items():
        log.error("%s: backup %d is damaged: %s", run.shard.name, number, message)
    new = NewBackup(
        facts,
        run.id,
        run.folder / "upload.journal",
        parent=newest,
        base=base,
        lost=lost,
        unreadable=tuple(restored.unreadable),
    )
    options = UploadOptions(
        threads=run.settings.node.threads,
        level=run.settings.repository.compression_level,
        pack_size=run.settings.repository.pack_size,
        geometry=Geometry(block_size=run.settings.repository.block_size),
        inspector=PageInspector.of(restored.variables),
        limits=opened.limits,
    )
    watch = bounds.DiskWatch(opened.disk, f"{run.shard.name}: the upload", guard, most=bounds.JOURNAL_ROOM)
    origin = FolderOrigin(run.data, selection.files, selection.directories)
    return backups.upload(origin, new, options, progress=progress, guard=watch), damaged


def _find_lost(backups: ShardRepository, base: Backup | None) -> tuple[frozenset[PackName], str]:
    """Packs that the store has lost since, and what that means in words. A run that went on from a kept folder has not
    missed them: what was in them is on this disk, and is stored again."""
    if base is None:
        return frozenset(), ""
    lost = backups.catalog.missing_packs(backups.catalog.manifest(base).body.packs)
    if not lost:
        return frozenset(), ""
    first = backups.catalog.objects.names.pack(lost[0].name)
    return frozenset(pack.name for pack in lost), (
        f"{len(lost)} of its packs are gone from the repository or not whole, {first} among them; the next backup has "
        "stored again what it needs of them"
    )


def _select(run: Run, flavour: str, inventory: Inventory | None) -> mysql.Selection:
    """The files of the backup. Raises ``RunError`` when they do not hold all that the server said it has."""
    if inventory is None:  # stopped by an earlier version of Tidemark
        log.warning("%s: nothing was asked of the server before it was stopped; nothing is compared", run.shard.name)
        return mysql.select_files(run.data, flavour)
    selection = mysql.select_files(run.data, flavour, inventory.files)
    if lines := mysql.uncovered(inventory, selection, flavour):
        raise RunError(
            f"{run.shard.name}: the server said that it has what its files do not hold: {shortened(lines)}",
            "nothing was uploaded; please report it with the version of the server and the name that is missing",
        )
    return selection


def _prune(run: Run, opened: UploadTools, living_runs: frozenset[str], guard: Guard) -> tuple[tuple[int, ...], str]:
    """Pruning that fails does not undo a backup that is complete: it is reported and tried again next time."""
    try:
        guard()
        pruned = opened.backups.prune(opened.retention, now=datetime.now(UTC), living_runs=living_runs)
    except TidemarkError as error:
        log.warning("%s: pruning failed: %s", run.shard.name, error)
        return (), str(error)
    return tuple(pruned.numbers), ""
