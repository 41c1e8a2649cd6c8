"""The commit: one object, the manifest, makes a backup of what an upload has stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tidemark.errors import BackupConflict, Damaged, ObjectExists, RepositoryError
from tidemark.repository.catalog import Catalog
from tidemark.repository.format.backup import Backup, Facts
from tidemark.repository.format.manifest import PackUse
from tidemark.repository.format.names import PackName
from tidemark.repository.upload.upload import Stored


@dataclass(frozen=True, slots=True)
class NewBackup:
    """The backup that a run is to make."""

    facts: Facts
    run_id: str
    journal: Path
    """A file that belongs to the run: what it has stored already."""
    parent: Backup | None = None
    """The newest backup, which this one follows."""
    base: Backup | None = None
    """The backup whose blocks are referred to when those of ``parent`` are damaged."""
    lost: frozenset[PackName] = frozenset()
    """Packs of ``base``, or of ``parent``, that are not in the store any more: what is in them is stored again."""
    unreadable: tuple[int, ...] = ()
    """Numbers whose manifests cannot be read: they are passed over, and never used again."""

    @property
    def number(self) -> int:
        """The number that it will have."""
        return max((self.parent.number if self.parent else 0, *self.unreadable)) + 1


def find_committed(catalog: Catalog, new: NewBackup) -> Backup | None:
    """The run's own backup when it is committed already; ``BackupConflict`` when the parent is not the newest."""
    parent = new.parent
    backups = catalog.since(parent.number if parent else 0, new.unreadable)
    for backup in backups:
        if backup.run_id == new.run_id:
            return backup
    newest = backups[-1] if backups else None
    if (newest and newest.digest) != (parent and parent.digest):
        raise BackupConflict(
            f"{catalog.objects.shard}: the newest backup is {newest.number if newest else 'none'}, and run "
            f"{new.run_id} started from {parent.number if parent else 'none'}",
            "nothing is lost; the next run starts from the newest backup",
        )
    return None


def commit(catalog: Catalog, new: NewBackup, stored: Stored, block_size: int, guard: Callable[[], None]) -> Backup:
    """Writes the manifest. Returns once it has been read back. ``guard`` raises to forbid it."""
    store, codec, number, facts = catalog.objects.store, catalog.objects.codec(), new.number, new.facts
    body = stored.body.model_copy(update={"inventory": facts.inventory})
    sealed, raw = codec.encode_body(number, body)
    backup = Backup(
        number=number,
        run_id=new.run_id,
        parent=new.parent.number if new.parent else None,
        parent_digest=new.parent.digest if new.parent else "",
        restored_from=facts.restored_from,
        flavour=facts.flavour,
        server_version=facts.server_version,
        checkpoint=facts.checkpoint,
        position=facts.position,
        first_backup=facts.first_backup,
        kept=facts.kept,
        started_at=facts.started_at.astimezone(UTC),
        finished_at=datetime.now(UTC),
        bytes=stored.bytes,
        stored_bytes=stored.stored_bytes + len(sealed),
        new_blocks=stored.new_blocks,
        blocks=stored.blocks,
        files=len(stored.body.files),
        variables=dict(facts.variables),
        block_size=block_size,
        engine=facts.engine,
        source=facts.source,
        holds=facts.inventory.totals if facts.inventory else {},
    )
    content = codec.encode(backup, sealed, raw)
    complete = codec.decode(number, content).backup  # never commit what a reader would refuse
    _check_packs(catalog, new.run_id, stored.body.packs)
    if committed := find_committed(catalog, new):
        return committed
    name = catalog.objects.names.manifest(number)
    guard()
    try:
        store.put_if_absent(name, [content])
    except ObjectExists:
        if committed := find_committed(catalog, new):
            return committed
        raise
    if store.get(name) != content:
        raise Damaged(f"{name} reads back differently from what was written")
    return complete


def _check_packs(catalog: Catalog, run_id: str, packs: Sequence[PackUse]) -> None:
    """That every pack is there with its size: nobody has cleaned up behind a run that was thought dead, and nothing has
    gone that the backup refers to."""
    if not (missing := catalog.missing_packs(packs)):
        return
    names = catalog.objects.names
    if own := [pack for pack in missing if pack.run_id == run_id]:
        raise RepositoryError(
            f"{names.pack(own[0].name)} was stored with {own[0].size} bytes and is not there any more",
            "somebody took the run for dead and cleaned up behind it; start a new run",
        )
    raise RepositoryError(
        f"{names.pack(missing[0].name)} has {missing[0].size} bytes in earlier backups, and is gone or not whole "
        f"({len(missing)} packs in all)",
        "nothing is committed; the next run stores again what was in them. See who deletes objects of the repository",
    )
