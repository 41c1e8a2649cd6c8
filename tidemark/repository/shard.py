"""The backups of one shard."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tidemark.errors import BackupMissing, ObjectMissing
from tidemark.progress import ProgressCallback, always, ignore
from tidemark.repository.catalog import Catalog, listed
from tidemark.repository.format.backup import Backup
from tidemark.repository.format.names import ShardNames, is_run_id
from tidemark.repository.inspect import Inspector
from tidemark.repository.keys.keys import DataKey
from tidemark.repository.objects import ShardObjects
from tidemark.repository.prune.prune import Pruned, Pruner
from tidemark.repository.prune.retention import RetentionPolicy
from tidemark.repository.restore.probe import open_one_frame
from tidemark.repository.restore.restore import Restored, RestoreOptions, restore
from tidemark.repository.restore.verify import Verified, verify
from tidemark.repository.restore.verify_all import Inspect, VerifiedAll, verify_all
from tidemark.repository.upload.commit import NewBackup, commit, find_committed
from tidemark.repository.upload.journal import Journal
from tidemark.repository.upload.known_blocks import Base
from tidemark.repository.upload.options import UploadOptions
from tidemark.repository.upload.origin import Origin
from tidemark.repository.upload.upload import Upload
from tidemark.storage import Store


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
        origin: Origin,
        new: NewBackup,
        options: UploadOptions | None = None,
        *,
        progress: ProgressCallback = ignore,
        guard: Callable[[], None] = always,
    ) -> Backup:
        """Makes a full backup of what does not change meanwhile. Returns only after the manifest has been read back.

        The blocks of ``new.parent`` are referred to, and its block size counts. An upload that is asked again for the
        same run goes on from its journal, or returns the backup that it has committed already. ``guard`` is called
        before every pack and before the manifest, and raises to forbid committing.

        Raises ``BackupConflict`` when another run has committed meanwhile, ``RepositoryError`` when the origin has
        changed, ``Damaged`` when the inspector finds a bad page, and the errors of the store.
        """
        options = options or UploadOptions()
        if not is_run_id(new.run_id):
            raise ValueError(f"{new.run_id!r} is not the id of a run")
        if committed := find_committed(self.catalog, new):
            return committed
        blocks_of = new.base or new.parent
        before = self.catalog.manifest(blocks_of) if blocks_of else None
        geometry = options.geometry
        if before:
            geometry = dataclasses.replace(
                geometry, block_size=before.backup.block_size, segment_blocks=before.body.segment_blocks
            )
            options = dataclasses.replace(options, geometry=geometry)
        repository = self._objects.key.repository.hex()
        identity = f"{repository} {self.name} {new.number} {geometry.block_size} {geometry.segment_blocks}"
        if new.base:
            identity += f" on {new.base.number}"
        journal = Journal(new.journal, new.run_id, identity)
        try:
            base = Base(before, new.lost) if before else None
            stored = Upload(self._objects, origin, base, journal, options, guard).run(progress)
        finally:
            journal.close()
        return commit(self.catalog, new, stored, geometry.block_size, guard)

    def restore(
        self,
        backup: Backup,
        folder: Path,
        options: RestoreOptions | None = None,
        *,
        progress: ProgressCallback = ignore,
        guard: Callable[[], None] = always,
    ) -> Restored:
        """Makes ``folder`` the backup's data folder. Every block is checked before it is written: this either
        finishes with the right data or raises, and then the folder is to be thrown away (or restored again with
        ``reuse``).

        Without ``reuse`` the folder must be empty or not exist. ``guard`` is called before every fetch, and raises to
        end it. Raises ``DiskFull``, ``Damaged``, ``ObjectMissing`` and the errors of the store.
        """
        manifest = self.catalog.manifest(backup)
        try:
            return restore(self._objects, manifest, folder, options or RestoreOptions(), progress, guard)
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
        return verify(self._objects, self.catalog.manifest(backup), threads, inspector, sample, progress)

    def verify_all(
        self,
        *,
        threads: int = 2,
        sample: float = 1.0,
        inspect: Inspect = lambda backup: None,
        progress: ProgressCallback = ignore,
    ) -> VerifiedAll:
        """Looks at every manifest, the chain, every pack that backups refer to (each frame once), sizes in the listing,
        and what belongs to nothing. ``inspect`` gives the inspector of a backup's pages. Damage is what this returns;
        the errors of a store that does not answer are raised."""
        return verify_all(self.catalog, threads, sample, inspect, progress)

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
