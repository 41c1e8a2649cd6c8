"""Deleting: manifests first, then packs that no manifest refers to. A pack that is referred to is never deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemark.repository.catalog import READERS, Catalog
from tidemark.repository.format.backup import Backup
from tidemark.repository.format.names import PackName, run_time
from tidemark.repository.prune.retention import PrunePlan, RetentionPolicy, plan_prune
from tidemark.storage import ObjectInfo

MARGIN = timedelta(days=7)
"""How long the packs of a run that has committed nothing are left alone: it may still be working on another node."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted, or would be."""

    numbers: tuple[int, ...]
    """The backups."""
    packs: int
    """Pack objects."""
    bytes: int
    """Bytes of manifests and packs."""
    plan: PrunePlan | None = None
    """Each backup's verdict and the reason for it."""


class Pruner:
    """Prunes one shard."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._store = catalog.objects.store
        self._names = catalog.objects.names

    def prune(
        self,
        policy: RetentionPolicy,
        now: datetime,
        living_runs: frozenset[str],
        dead_runs: frozenset[str],
        dry_run: bool,
        announce: Callable[[Pruned], None],
    ) -> Pruned:
        """Reads every manifest that stays, and announces what will go, before the first object goes."""
        backups = self._catalog.backups()
        plan = plan_prune(backups, now, policy)
        going = {verdict.number for verdict in plan.delete}
        referred = self._referred([backup for backup in backups if backup.number not in going])
        committed = {backup.run_id for backup in backups}
        manifests = [
            info for info in self._store.list(self._names.backups) if self._names.parse_manifest(info.name) in going
        ]
        packs, unknown = [], {}
        for info in self._store.list(self._names.packs):
            pack = self._names.parse_pack(info.name)
            if pack is None or pack in referred or pack.run_id in living_runs:
                continue
            if pack.run_id in committed or pack.run_id in dead_runs or _is_old(pack.run_id, now):
                packs.append(info)
            else:
                unknown[pack] = info
        if unknown:
            # A run whose own manifest went earlier has committed as well: these are the last that refer to its packs.
            last = self._referred([backup for backup in backups if backup.number in going])
            packs += [info for pack, info in unknown.items() if pack in last]
        pruned = Pruned(tuple(sorted(going)), len(packs), sum(info.size for info in (*manifests, *packs)), plan)
        announce(pruned)
        if not dry_run:
            self._delete(manifests)
            self._delete(packs)
            self._store.sweep(f"{self._names.shard}/", MARGIN)
        return pruned

    def discard(self, run_id: str) -> Pruned:
        """Deletes what a run has stored, unless a backup is made of it."""
        backups = self._catalog.backups()
        packs = list(self._store.list(self._names.run(run_id)))
        if not packs or any(backup.run_id == run_id for backup in backups):
            return Pruned((), 0, 0)
        if any(pack.run_id == run_id for pack in self._referred(backups)):
            return Pruned((), 0, 0)
        self._delete(packs)
        return Pruned((), len(packs), sum(info.size for info in packs))

    def _referred(self, backups: Sequence[Backup]) -> set[PackName]:
        with ThreadPoolExecutor(READERS) as pool:
            return set().union(*pool.map(self._catalog.packs, backups))

    def _delete(self, objects: Sequence[ObjectInfo]) -> None:
        self._store.delete_many(info.name for info in objects)


def _is_old(run_id: str, now: datetime) -> bool:
    began = run_time(run_id)
    return began is not None and now - began > MARGIN
