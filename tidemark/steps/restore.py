"""Restore: from the newest backup, or from the shard's first-backup policy, to a data folder at a known position."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta

from tidemark import mysql
from tidemark.errors import (
    BinlogsPurged,
    Damaged,
    ErrantTransactions,
    NoBackup,
    ObjectMissing,
    SourceError,
    SourceUnfit,
    TidemarkError,
)
from tidemark.progress import Guard, ProgressCallback, always, ignore, showing_rate
from tidemark.repository import Backup, History, RestoreOptions
from tidemark.results import CatchupResult, RestoreResult, StopResult
from tidemark.steps import bounds, chain_check, sources
from tidemark.steps.run import InventoryNote, Run, Seen
from tidemark.steps.tools import RestoreTools, ServerTools
from tidemark.steps.warm_folders import WarmFolders

log = logging.getLogger(__name__)

CLOCK_SLACK = timedelta(minutes=5)
"""By how much the clocks of two nodes may differ before that is told."""
START_ANEW = frozenset({"clone", "replay"})
"""What, asked for a single run, makes a first copy of a shard that has backups: they can be followed no further."""


def run(
    run: Run, *, progress: ProgressCallback = ignore, guard: Guard = always, seen: Seen | None = None
) -> RestoreResult:
    """Makes the run's data folder. A half-written one is continued: only blocks that differ are fetched.

    ``seen`` is the newest backup that others remember; this node remembers its own. ``ChainBroken`` when it is not
    there any more. Damaged backups are passed over: the newest sound one is restored, and the result names them. A run
    that was asked to start anew copies from the primary whatever backups there are; its own becomes the next one.
    """
    if done := run.recall(RestoreResult):
        return done
    began = time.monotonic()
    guard()
    opened = RestoreTools.open(run)
    history = opened.backups.catalog.history()
    chain_check.check(run, history, opened.known, seen)
    newest = history.backups[-1] if history.backups else None
    if newest and not run.on_disk.force and (reason := _too_young(newest, run.settings.cycle.min_interval)):
        result = RestoreResult(run=run.id, shard=run.shard.name, skipped=f"{run.shard.name}: {reason}")
    elif newest and run.on_disk.first_backup in START_ANEW:
        log.warning("%s: starting anew, as asked for; backup %d is not used", run.shard.name, newest.number)
        passed = tuple(number for number in history.unreadable if number > newest.number)
        result = _first(run, opened, progress, guard).model_copy(update={"newest": newest.number, "unreadable": passed})
    elif newest:
        result = _from_newest_sound(run, opened, history, progress, guard)
        opened.known.remember(Seen(newest.number, newest.digest))
    elif history.unreadable:
        raise Damaged(
            f"{run.shard.name}: no backup of it can be read: {'; '.join(history.unreadable.values())}",
            "verify the mirrors (tidemark verify --from 2), and make one of them the first repository",
        )
    else:
        result = _first(run, opened, progress, guard)
    seconds = round(time.monotonic() - began, 3)
    return run.record(result.model_copy(update={"seconds": seconds, "started_at": run.on_disk.started_at}))


def again(void: Run, *, progress: ProgressCallback = ignore, guard: Guard = always) -> RestoreResult:
    """Restores once more because the data folder has become void. Later steps count as not done."""
    log.warning("%s: the private server died uncleanly; run %s goes back to restore", void.shard.name, void.id)
    mysql.kill_leftover(void.folder)
    void.forget(RestoreResult, CatchupResult, StopResult)
    return run(void, progress=progress, guard=guard)


def _too_young(newest: Backup, min_interval: timedelta) -> str:
    age = datetime.now(UTC) - newest.finished_at
    if not min_interval or age >= min_interval:
        return ""
    if age < -CLOCK_SLACK:
        log.warning("backup %d is from the future, %s ahead: some node's clock is wrong", newest.number, _short(-age))
        return ""  # or there would be no other one until that time has come
    return (
        f"backup {newest.number} is {_short(age)} old, and the configuration asks for none before "
        f"{_short(min_interval)} (cycle.min_interval)"
    )


def _short(span: timedelta) -> str:
    return str(timedelta(seconds=int(span.total_seconds())))


def _from_newest_sound(
    run: Run, opened: RestoreTools, history: History, progress: ProgressCallback, guard: Guard
) -> RestoreResult:
    """One damaged backup must not end all backups: the next one is made from the newest that can be restored."""
    newest = history.backups[-1]
    damaged = {number: message for number, message in history.unreadable.items() if number > newest.number}
    for number, message in damaged.items():
        log.error("%s: backup %d is damaged: %s", run.shard.name, number, message)
    unreadable = tuple(damaged)
    due = _proof_is_due(history, run.settings.node.prove_every, datetime.now(UTC))
    first: Damaged | ObjectMissing | None = None
    for backup in reversed(history.backups):
        try:
            result = _from_backup(run, opened, backup, progress, guard, fetch_all=due)
        except (Damaged, ObjectMissing) as error:
            first = first or error
            damaged[backup.number] = error.message
            log.error("%s: backup %d is damaged, trying the one before: %s", run.shard.name, backup.number, error)
            continue
        if damaged:
            log.error("%s: restored backup %d, the newest sound one", run.shard.name, backup.number)
        tip = newest.number if backup is not newest else None
        return result.model_copy(update={"newest": tip, "damaged": damaged, "unreadable": unreadable})
    raise Damaged(
        f"{run.shard.name}: none of its {len(history.backups)} backups is sound; the newest: {first and first.message}",
        "verify the mirrors (tidemark verify --from 2), and make one of them the first repository",
    ) from first


def _from_backup(
    run: Run, opened: RestoreTools, newest: Backup, progress: ProgressCallback, guard: Guard, *, fetch_all: bool
) -> RestoreResult:
    disk, limits = opened.servers.disk, opened.limits
    flavour = opened.servers.flavour(newest.flavour)
    flavour.check_can_open(newest.server_version)
    _ask_source(run, newest)
    server = opened.servers.server(flavour, newest.variables)
    server.kill()  # a step that comes again may find the server of a later one
    had = _go_on_from_kept(run, disk.warm, fetch_all=fetch_all)
    manifest = opened.backups.catalog.manifest(newest)
    inventory, needed = manifest.body.inventory, manifest.needed_bytes
    note = InventoryNote(server_version=newest.server_version, inventory=inventory) if inventory else None
    run.note_inventory("restored", note)
    room = bounds.catchup_room(run.shard, needed)
    disk.check_room(run.data, needed, room, f"{run.shard.name}: backup {newest.number}")
    restored = opened.backups.restore(
        newest,
        run.data,
        RestoreOptions(threads=run.settings.node.threads, reuse=run.data.exists(), limits=limits),
        progress=showing_rate(limits.rate.rate, "restore_rate", progress),
        guard=bounds.DiskWatch(disk, f"{run.shard.name}: the restore of backup {newest.number}", guard),
    )
    server.mark_cold()
    return RestoreResult(
        run=run.id,
        shard=run.shard.name,
        flavour=flavour.name,
        backup=newest.number,
        backup_finished_at=newest.finished_at,
        position=newest.position,
        position_at=newest.started_at,
        variables=newest.variables,
        bytes=restored.bytes,
        fetched_bytes=restored.fetched_bytes,
        kept=had,
        throttled_seconds=limits.rate.waited,
    )


def _proof_is_due(history: History, prove_every: timedelta, now: datetime) -> bool:
    """Whether a run must fetch everything: none has yet, or it is long ago that one did."""
    proofs = [backup.finished_at for backup in history.backups if backup.proves is not None]
    return not proofs or now - max(proofs) >= prove_every


def _go_on_from_kept(run: Run, warm: WarmFolders, *, fetch_all: bool) -> int | None:
    """The number of the backup whose kept folder the run's data folder is, or began as; None when it began empty."""
    if run.data.exists():
        return run.noted_kept()
    if fetch_all and warm.find(run.shard.name) is not None:
        log.info("%s: a proof is due ([node] prove_every): everything is fetched", run.shard.name)
        warm.drop(run.shard.name)
    run.note_kept(warm.find(run.shard.name))  # before it is there: whoever comes after a crash must know
    had = warm.take(run.shard.name, run.data)
    run.note_kept(had)
    return had


def _ask_source(run: Run, backup: Backup) -> None:
    """A catch-up that cannot be is better known before a terabyte is restored. What may pass is left to the catch-up,
    which is patient."""
    try:
        with mysql.connect(sources.find(run.shard, run.config_path).endpoint, flavour=backup.flavour) as source:
            source.check_follows(backup.position, backup.started_at)
    except (BinlogsPurged, ErrantTransactions):
        raise
    except TidemarkError as error:
        log.warning("%s: its source cannot be asked yet: %s", run.shard.name, error.message)


def _first(run: Run, opened: RestoreTools, progress: ProgressCallback, guard: Guard) -> RestoreResult:
    """There is no backup yet: what the operator said for this run counts before the configuration."""
    policy = run.on_disk.first_backup or run.shard.first_backup
    known = opened.known.newest()
    if policy == "refuse" or (known is not None and run.on_disk.first_backup is None):
        seen = f", though this node knows of backup {known}" if known is not None else ""
        raise NoBackup(
            f"{run.shard.name}: {run.settings.repository.url} holds no backup of it{seen}",
            f"check [repository] url; to start from nothing: tidemark backup {run.shard.name} --first-backup clone "
            f'(or set first_backup = "clone", "replay" or "empty" for a new shard)',
        )
    log.info("%s: no backup yet; making the first one by %s", run.shard.name, policy)
    if policy == "empty":
        return _empty(run, opened.servers, progress)
    source_endpoint = sources.find(run.shard, run.config_path).endpoint
    asked_at = datetime.now(UTC)
    with mysql.connect(source_endpoint, flavour=run.shard.flavour) as source:
        source.check_fit()
        if policy == "replay":
            source.check_replayable()
        flavour = opened.servers.flavour(source.flavour)
        flavour.check_can_open(source.version)
        variables = source.variables()
        server = opened.servers.server(flavour, variables)
        server.share_time_zone(source, run.shard.time_zone)
    position = ""
    with server:
        server.clear()  # half a copy is worth nothing
        server.initialise(progress)
        if policy == "clone":
            server.start(progress)
            watch = bounds.DiskWatch(opened.servers.disk, f"{run.shard.name}: the first copy", guard)
            position = mysql.copy_source(server, source_endpoint, watch.watching(progress))
    return RestoreResult(
        run=run.id,
        shard=run.shard.name,
        flavour=flavour.name,
        first_backup=policy,
        position=position,
        position_at=asked_at if policy == "clone" else None,
        variables=variables,
    )


def _empty(run: Run, servers: ServerTools, progress: ProgressCallback) -> RestoreResult:
    """A new shard: an empty server and the operator's statements. It must not shadow data that is already there."""
    if run.shard.init_sql_file is None or run.shard.flavour == "auto":
        raise NoBackup(
            f"{run.shard.name}: an empty first backup needs init_sql_file and a flavour",
            'set init_sql_file = "..." and flavour = "mysql" or "mariadb" for the shard',
        )
    try:
        with mysql.connect(sources.primary(run.shard, run.config_path), flavour=run.shard.flavour) as source:
            position = source.position()
    except SourceUnfit:
        raise
    except SourceError:
        position = ""  # the new shard's primary need not be there yet: it is often made from this very backup
    if position:
        raise NoBackup(
            f'{run.shard.name}: first_backup is "empty", but its primary is already at {position}',
            'use first_backup = "clone", or "replay" while it still has its binary logs from the start',
        )
    flavour = servers.flavour(run.shard.flavour)
    with servers.server(flavour, {}) as server:
        server.clear()
        server.initialise(progress)
        server.start(progress)
        server.run_script(run.shard.init_sql_file)
    return RestoreResult(run=run.id, shard=run.shard.name, flavour=flavour.name, first_backup="empty")
