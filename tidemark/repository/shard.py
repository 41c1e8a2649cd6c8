"""The backups of one shard."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tidemark.errors import BackupConflict, BackupMissing, Damaged, ObjectExists, ObjectMissing, RepositoryError
from tidemark.progress import ProgressCallback, always, ignore
from tidemark.repository.catalog import Catalog, listed
from tidemark.repository.format.backup import Backup, Facts
from tidemark.repository.format.geometry import Geometry
from tidemark.repository.format.names import ShardNames, is_run_id
from tidemark.repository.inspect import Inspector
from tidemark.repository.keys.keys import DataKey
from tidemark.repository.objects import ShardObjects
from tidemark.repository.prune.prune import Pruned, Pruner
from tidemark.repository.prune.retention import RetentionPolicy
from tidemark.repository.restore.probe import open_one_frame
from tidemark.repository.restore.restore import Restore, Restored
from tidemark.repository.restore.target import Target
from tidemark.repository.restore.verify import Verified, Verify
from tidemark.repository.threads.limits import Limits
from tidemark.repository.upload.journal import Journal
from tidemark.repository.upload.upload import Stored, Upload
from tidemark.storage import Store

WAITING = 6
"""More threads for a durable restore: they wait for the disk for more than half of their time. Where most blocks are
only hashed, they would be in one another's way."""


class ShardRepository:
    """Lists, makes, restores and prunes the backups of one shard. Holds no state but what it was made with."""

    def __init__(self, store: Store, key: DataKey, name: str) -> None:
        self._objects = ShardObjects(store, key, ShardNames(name))
        self.catalog = Catalog(self._objects)
        """The backups that there are."""

    @property
    def name(self) -> str:
        """``keyspace/shard``."""
        return self._objects.shard

    def probe(self, backup: Backup) -> int:
        """Reads the backup's manifest whole and one frame of its data; gives the bytes of content that were opened.
        Raises ``Damaged``, ``BackupMissing`` or ``ObjectMissing``."""
        return open_one_frame(self._objects, self.catalog.manifest(backup))

    def upload(
        self,
        folder: Path,
        files: Sequence[str],
        directories: Sequence[str],
        facts: Facts,
        *,
        parent: Backup | None,
        run_id: str,
        journal: Path,
        threads: int = 2,
        level: int = 1,
        pack_size: int = 64 << 20,
        block_size: int = 65536,
        geometry: Geometry | None = None,
        progress: ProgressCallback = ignore,
        guard: Callable[[], None] = always,
        inspector: Inspector | None = None,
        base: Backup | None = None,
        unreadable: Collection[int] = (),
        limits: Limits | None = None,
    ) -> Backup:
        """Makes a full backup of a cold folder. Returns only after the manifest has been read back.

        ``files`` and ``directories`` are relative to ``folder``. ``parent`` is the newest backup: its blocks are
        referred to, and its block size counts. ``journal`` is a file that belongs to the run: an upload that is asked
        again for the same run goes on from there, or returns the backup that it has committed already. ``guard`` is
        called before every pack and before the manifest, and raises to forbid committing. ``inspector`` looks at the
        blocks that are stored anew. ``base`` is the backup whose blocks are referred to when those of ``parent`` are
        damaged. ``unreadable`` are numbers whose manifests cannot be read: they are passed over, and never used again.
        ``limits`` hold the storing of packs back, and end an upload of which nothing moves.

        Raises ``BackupConflict`` when another run has committed meanwhile, ``RepositoryError`` when the folder is
        not cold, ``Damaged`` when the inspector finds a bad page, and the errors of the store.
        """
        if not is_run_id(run_id):
            raise ValueError(f"{run_id!r} is not the id of a run")
        if committed := self._check_newest(parent, run_id, unreadable):
            return committed
        number = max((parent.number if parent else 0, *unreadable)) + 1
        blocks_of = base or parent
        before = self.catalog.manifest(blocks_of) if blocks_of else None
        geometry = geometry or Geometry(block_size=block_size)
        if before:
            geometry = dataclasses.replace(
                geometry, block_size=before.backup.block_size, segment_blocks=before.body.segment_blocks
            )
        identity = (
            f"{self._objects.key.repository.hex()} {self.name} {number} {geometry.block_size} {geometry.segment_blocks}"
        )
        if base:
            identity += f" on {base.number}"
        opened = Journal(journal, run_id, identity)
        try:
            stored = Upload(
                self._objects.store,
                self._objects.key,
                self._objects.names,
                folder,
                before,
                opened,
                run_id=run_id,
                geometry=geometry,
                threads=threads,
                level=level,
                pack_size=pack_size,
                guard=guard,
                inspector=inspector,
                limits=limits or Limits(),
            ).run(files, directories, progress)
        finally:
            opened.close()
        return self._commit(number, parent, run_id, facts, stored, geometry.block_size, guard, unreadable)

    def restore(
        self,
        backup: Backup,
        folder: Path,
        *,
        threads: int = 2,
        progress: ProgressCallback = ignore,
        reuse: bool = False,
        durable: bool = False,
        only: Callable[[str], bool] | None = None,
        guard: Callable[[], None] = always,
        limits: Limits | None = None,
    ) -> Restored:
        """Makes ``folder`` the backup's data folder. Every block is checked before it is written: this either
        finishes with the right data or raises, and then the folder is to be thrown away (or restored again with
        ``reuse``).

        Without ``reuse`` the folder must be empty or not exist. With it, blocks that are there already are kept and
        only others fetched, and files that the backup does not have are removed. ``durable`` returns only after
        everything is on disk. ``only`` says of each file's path whether it is wanted; without it all are. ``guard`` is
        called before every fetch, and raises to end it. ``limits`` hold the fetching back, and end a restore of which
        nothing moves.
        Raises ``DiskFull``, ``Damaged``, ``ObjectMissing`` and the errors of the store.
        """
        target = Target(folder, reuse=reuse, durable=durable)
        if durable and not reuse:
            threads += WAITING
        manifest = self.catalog.manifest(backup) if only is None else self.catalog.manifest(backup).part(only)
        restore = Restore(
            self._objects.store,
            self._objects.key,
            self._objects.names,
            manifest,
            target,
            threads=threads,
            guard=guard,
            limits=limits,
        )
        try:
            return restore.run(progress)
        except ObjectMissing as error:
            known = list(self.catalog.sizes())
            if backup.number in known:
                raise
            raise BackupMissing(
                f"{self.name}: backup {backup.number} was pruned while it was being read ({error.message})",
                f"restore another one, or keep more of them ([retention]); complete backups: {listed(known)}",
            ) from error

    def verify(
        self,
        backup: Backup,
        *,
        threads: int = 2,
        sample: float = 1.0,
        inspector: Inspector | None = None,
        progress: ProgressCallback = ignore,
    ) -> Verified:
        """Reads every block of a backup and checks it as a restore does; writes nothing. ``inspector`` looks at the
        content too. ``sample`` (0 to 1) is the chance of each frame of data to be looked at; maps all are.

        Damage of packs is what this returns; a manifest that cannot be read is raised, as are the errors of a store
        that does not answer.
        """
        manifest = self.catalog.manifest(backup)
        verify = Verify(
            self._objects.store,
            self._objects.key,
            self._objects.names,
            manifest,
            threads=threads,
            inspector=inspector,
            sample=sample,
        )
        return verify.look(progress)

    def prune(
        self,
        policy: RetentionPolicy,
        *,
        now: datetime,
        living_runs: frozenset[str] = frozenset(),
        dead_runs: frozenset[str] = frozenset(),
        dry_run: bool = False,
        announce: Callable[[Pruned], None] = lambda pruned: None,
    ) -> Pruned:
        """Deletes the backups that the policy does not keep, then the packs that no backup refers to. ``announce`` is
        told what will go before anything goes; if it raises, nothing goes.

        Packs of ``living_runs`` stay, and packs of runs that have not committed stay for seven days unless they are
        ``dead_runs``. A manifest that cannot be read stops everything before anything is deleted.
        """
        return Pruner(self.catalog).prune(policy, now, living_runs, dead_runs, dry_run, announce)

    def discard_run(self, run_id: str) -> Pruned:
        """Deletes the packs of a failed run. A run that has committed a backup keeps everything."""
        return Pruner(self.catalog).discard(run_id)

    def _check_newest(self, parent: Backup | None, run_id: str, unreadable: Collection[int]) -> Backup | None:
        """The run's own backup when it is committed already; ``BackupConflict`` when the parent is not the newest."""
        heads = self.catalog.since(parent.number if parent else 0, unreadable)
        for backup in heads:
            if backup.run_id == run_id:
                return backup
        newest = heads[-1] if heads else None
        if (newest and newest.digest) != (parent and parent.digest):
            raise BackupConflict(
                f"{self.name}: the newest backup is {newest.number if newest else 'none'}, and run {run_id} "
                f"started from {parent.number if parent else 'none'}",
                "nothing is lost; the next run starts from the newest backup",
            )
        return None

    def _commit(
        self,
        number: int,
        parent: Backup | None,
        run_id: str,
        facts: Facts,
        stored: Stored,
        block_size: int,
        guard: Callable[[], None],
        unreadable: Collection[int],
    ) -> Backup:
        body = stored.body.model_copy(update={"inventory": facts.inventory})
        sealed, raw = self._objects.codec().encode_body(number, body)
        backup = Backup(
            number=number,
            run_id=run_id,
            parent=parent.number if parent else None,
            parent_digest=parent.digest if parent else "",
            restored_from=facts.restored_from,
            flavour=facts.flavour,
            server_version=facts.server_version,
            checkpoint=facts.checkpoint,
            position=facts.position,
            first_backup=facts.first_backup,
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
        )
        content = self._objects.codec().encode(backup, sealed, raw)
        complete = self._objects.codec().decode(number, content).backup  # never commit what a reader would refuse
        self._check_packs(run_id, stored)
        if committed := self._check_newest(parent, run_id, unreadable):
            return committed
        name = self._objects.names.manifest(number)
        guard()
        try:
            self._objects.store.put_if_absent(name, [content])
        except ObjectExists:
            if committed := self._check_newest(parent, run_id, unreadable):
                return committed
            raise
        if self._objects.store.get(name) != content:
            raise Damaged(f"{name} reads back differently from what was written")
        return complete

    def _check_packs(self, run_id: str, stored: Stored) -> None:
        """That nobody has cleaned up behind a run that was thought dead."""
        there = {info.name: info.size for info in self._objects.store.list(self._objects.names.run(run_id))}
        for pack in stored.body.packs:
            name = self._objects.names.pack(pack.name)
            if pack.run_id == run_id and there.get(name) != pack.size:
                raise RepositoryError(
                    f"{name} was stored with {pack.size} bytes and is not there any more",
                    "somebody took the run for dead and cleaned up behind it; start a new run",
                )
