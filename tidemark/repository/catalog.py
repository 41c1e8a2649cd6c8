"""The backups of a shard as the store has them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tidemark.errors import BackupMissing, Damaged, ObjectMissing
from tidemark.repository.format.backup import Backup
from tidemark.repository.format.manifest import HEAD_READ, Manifest, PackUse
from tidemark.repository.format.names import PackName
from tidemark.repository.objects import ShardObjects

READERS = 8
"""Manifests that are read at the same time: in a bucket each takes a round trip."""


@dataclass(frozen=True, slots=True)
class History:
    """What there is of a shard's backups, damage and all."""

    backups: tuple[Backup, ...]
    """Those whose manifest can be read, oldest first."""
    unreadable: dict[int, str]
    """The others, by their number: what is wrong with the manifest."""


class Catalog:
    """Lists the backups of one shard and reads their manifests. Keeps nothing: each call asks the store."""

    def __init__(self, objects: ShardObjects) -> None:
        self.objects = objects
        self._store = objects.store
        self._names = objects.names
        self._codec = objects.codec()

    def backups(self) -> list[Backup]:
        """Every complete backup, oldest first. Reads a few kilobytes of each manifest. ``Damaged`` for one that is
        not what was written, or that does not follow the one before it."""
        backups: list[Backup] = []
        with ThreadPoolExecutor(READERS) as pool:
            heads = list(pool.map(self._head_if_there, self.sizes().items()))
        for backup in filter(None, heads):
            previous = backups[-1] if backups else None
            if previous:
                self.check_follows(previous, backup)
            backups.append(backup)
        return backups

    def history(self) -> History:
        """The same, but a manifest that cannot be read is a finding instead of the end. Still ``Damaged`` for one that
        does not follow the one before it."""
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(self._head_or_damage, self.sizes().items()))
        backups = [head for head in found if isinstance(head, Backup)]
        for previous, backup in itertools.pairwise(backups):
            self.check_follows(previous, backup)
        return History(tuple(backups), dict(head for head in found if isinstance(head, tuple)))

    def newest(self, passing_over: Collection[int] = ()) -> Backup | None:
        """The newest complete backup, or None. ``passing_over`` are numbers whose manifests are known to be
        unreadable."""
        manifests = [item for item in self.sizes().items() if item[0] not in passing_over]
        return self._head(manifests[-1]) if manifests else None

    def since(self, number: int, passing_over: Collection[int] = ()) -> list[Backup]:
        """The backups from this number on, oldest first."""
        return [self._head(item) for item in self.sizes().items() if item[0] >= number and item[0] not in passing_over]

    def backup(self, number: int) -> Backup:
        """One backup. ``BackupMissing`` names those that there are."""
        sizes = self.sizes()
        if number not in sizes:
            raise self._missing(number, list(sizes))
        return self._head((number, sizes[number]))

    def manifest(self, backup: Backup) -> Manifest:
        """A backup's manifest, read whole and checked to be the very one that ``backup`` came from."""
        manifest = self._codec.decode(backup.number, self._read(backup))
        self._check_same(backup, manifest.backup)
        return manifest

    def packs(self, backup: Backup) -> frozenset[PackName]:
        """The packs that a backup refers to, from the same object; faster than reading its table of files."""
        found, packs = self._codec.decode_packs(backup.number, self._read(backup))
        self._check_same(backup, found)
        return frozenset(pack.name for pack in packs)

    def missing_packs(self, packs: Iterable[PackUse]) -> list[PackUse]:
        """Those of the packs that are not in the store, or have another size there; by one listing."""
        there = {info.name: info.size for info in self._store.list(self._names.packs)}
        return [pack for pack in packs if there.get(self._names.pack(pack.name)) != pack.size]

    def sizes(self) -> dict[int, int]:
        """The backups' numbers, ascending, and the bytes of their manifests, by one listing."""
        found = ((self._names.parse_manifest(info.name), info.size) for info in self._store.list(self._names.backups))
        return {number: size for number, size in found if number is not None}

    def _read(self, backup: Backup) -> bytes:
        try:
            return self._store.get(self._names.manifest(backup.number))
        except ObjectMissing:
            raise self._missing(backup.number, list(self.sizes())) from None

    def _check_same(self, asked: Backup, found: Backup) -> None:
        if found.digest != asked.digest:
            raise Damaged(f"{self._names.manifest(asked.number)} has been replaced by another one")

    def _head_if_there(self, manifest: tuple[int, int]) -> Backup | None:
        """The head; None when it was pruned between the listing and the reading."""
        try:
            return self._head(manifest)
        except ObjectMissing:
            return None

    def _head_or_damage(self, manifest: tuple[int, int]) -> Backup | tuple[int, str] | None:
        try:
            return self._head_if_there(manifest)
        except Damaged as error:
            return manifest[0], error.message

    def check_follows(self, previous: Backup, backup: Backup) -> None:
        """Raises ``Damaged`` when a backup names another one before it than the one that is there."""
        if backup.parent == previous.number and backup.parent_digest != previous.digest:
            raise Damaged(
                f"{self._names.manifest(backup.number)} follows another backup {previous.number} than the one there",
                "somebody has put an old or foreign manifest in its place",
            )

    def _head(self, manifest: tuple[int, int]) -> Backup:
        number, size = manifest
        name = self._names.manifest(number)
        start = self._store.get(name, 0, HEAD_READ)
        length = self._codec.head_length(number, start, size)
        if length > len(start):
            start = self._store.get(name, 0, length)
        return self._codec.decode_head(number, start, size)

    def _missing(self, number: int, known: Sequence[int]) -> BackupMissing:
        return BackupMissing(f"{self._names.shard} has no backup {number}", f"complete backups: {listed(known)}")


def listed(numbers: Sequence[int]) -> str:
    """The newest numbers, for a person."""
    return ", ".join(map(str, numbers[-20:])) or "none"
