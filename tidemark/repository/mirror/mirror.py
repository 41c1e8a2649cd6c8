"""Mirrors: other stores that hold the same sealed objects. Copying needs no key; knowing what to copy does.

A mirror is brought level so that a reader of it sees whole backups only: packs first, then the manifest. It is pruned
after the first repository, and never loses its newest backup, nor anything once the two have parted.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tidemark.errors import BackupConflict, BackupMissing, Damaged, ForeignRepository, ObjectExists, ObjectMissing
from tidemark.progress import ProgressCallback, ignore
from tidemark.repository.catalog import Catalog
from tidemark.repository.format.backup import Backup
from tidemark.repository.format.names import ShardNames
from tidemark.repository.keys.keys import KEYS, DataKey
from tidemark.repository.mirror.copy import PackCopier
from tidemark.repository.objects import ShardObjects
from tidemark.repository.prune.prune import MARGIN
from tidemark.repository.threads.limits import Limits
from tidemark.repository.threads.meter import Meter
from tidemark.storage import ObjectInfo, Store


@dataclass(frozen=True, slots=True)
class Level:
    """How far behind a mirror is."""

    newest: int | None
    """The newest backup of the first repository."""
    mirrored: int | None
    """The newest backup of the mirror."""
    missing: tuple[int, ...]
    """Backups that the first has and the mirror has not."""
    extra: tuple[int, ...]
    """Backups that the mirror has and the first has not: pruned there, and not yet here."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What bringing a mirror level has done."""

    numbers: tuple[int, ...]
    """The backups that it has now and had not before."""
    packs: int
    """Packs that were copied."""
    bytes: int
    """Bytes that were copied: packs and manifests."""
    pruned: tuple[int, ...]
    """The backups that were deleted from it."""
    seconds: float


def copy_keys(first: Store, mirror: Store, repository: str) -> None:
    """Makes the mirror's key objects those of the first repository, which has this id: new ones before retired ones go.

    A key object that is there is never replaced. Raises ``ForeignRepository`` when the mirror holds another repository,
    or something that is none; ``Damaged`` when both have the same key object with another content.
    """
    keys = {info.name: first.get(info.name) for info in first.list(KEYS)}
    if not keys:
        raise ForeignRepository(f"{first.url} has no {KEYS}: it is not a repository that could be mirrored")
    there = {info.name: mirror.get(info.name) for info in mirror.list(KEYS)}
    if not there and (seen := next(mirror.list(), None)):
        raise _foreign(first, mirror, f"it has no {KEYS}, but {seen.name}")
    for name, content in there.items():
        if content == keys.get(name):
            continue
        other = _repository_id(content)
        if other != repository and (other or name not in keys):
            raise _foreign(first, mirror, f"{name} belongs to {other or 'no repository'}")
        if name in keys:
            raise Damaged(
                f"{name} is not the same in {first.url} and in {mirror.url}: one of the two is damaged",
                "bring the sound one back; neither was changed, as it may be the last",
            )
    for name in keys.keys() - there.keys():
        mirror.put_if_absent(name, [keys[name]])
        if mirror.get(name) != keys[name]:
            raise Damaged(f"{name} reads back differently from {mirror.url}")
    mirror.delete_many(name for name in there if name not in keys)


def _foreign(first: Store, mirror: Store, seen: str) -> ForeignRepository:
    return ForeignRepository(
        f"{mirror.url} is not a mirror of {first.url}: {seen}",
        "name an empty place of its own as the second [[repository]]",
    )


def _repository_id(content: bytes) -> str:
    try:
        return str(json.loads(content)["repository"])
    except (ValueError, KeyError, TypeError):
        return ""


class Mirror:
    """One shard's backups in the first repository and in one mirror of it."""

    def __init__(self, first: Store, mirror: Store, key: DataKey, name: str) -> None:
        self._first = first
        self._mirror = mirror
        self._names = ShardNames(name)
        self._ours = Catalog(ShardObjects(first, key, self._names))
        self._theirs = Catalog(ShardObjects(mirror, key, self._names))

    def level(self) -> Level:
        """How far behind it is, by two listings."""
        ours, theirs = self._ours.sizes(), self._theirs.sizes()
        return Level(
            newest=max(ours, default=None),
            mirrored=max(theirs, default=None),
            missing=tuple(sorted(ours.keys() - theirs.keys())),
            extra=tuple(sorted(theirs.keys() - ours.keys())),
        )

    def bring_level(
        self, *, threads: int = 4, progress: ProgressCallback = ignore, limits: Limits | None = None
    ) -> Mirrored:
        """Copies what is missing, the newest backup first; then deletes what the first repository has pruned.

        What is there is not copied again, so a call that was cut off is continued by the next one. Raises
        ``BackupConflict``, and changes nothing, when the mirror has another backup under a number, or newer ones:
        then one of the two was rewound, and a person has to say which one counts. Raises ``Damaged`` when a pack that
        a manifest names is not there or has another size, and the errors of both stores.
        """
        began = time.monotonic()
        ours, theirs = self._ours.sizes(), self._theirs.sizes()
        self._check_same(ours, theirs)
        copier = PackCopier(self._first, self._mirror, self._packs(), limits=limits)
        missing = [backup for backup in reversed(self._ours.backups()) if backup.number not in theirs]
        wanted = list(self._packs_of(missing).items())
        total = copier.missing(pack for _, packs in wanted for pack in packs)
        meter = Meter("copying", sum(pack.size for pack in total), progress)
        done: list[int] = []
        written = 0
        for number, packs in wanted:
            try:
                copier.copy(copier.missing(packs), threads=threads, meter=meter)
                written += self._copy_manifest(number)
            except ObjectMissing as error:
                if number in self._ours.sizes():
                    raise Damaged(f"{self._names.manifest(number)} names what is not there: {error.message}") from error
                continue  # pruned meanwhile
            done.append(number)
        pruned = self._prune()
        meter.finish()
        return Mirrored(
            numbers=tuple(sorted(done)),
            packs=copier.copied.packs,
            bytes=copier.copied.bytes + written,
            pruned=pruned,
            seconds=round(time.monotonic() - began, 3),
        )

    def _packs(self) -> list[ObjectInfo]:
        """The packs that the mirror has."""
        listed = self._mirror.list(self._names.packs)
        return [info for info in listed if self._names.parse_pack(info.name) is not None]

    def _check_same(self, ours: dict[int, int], theirs: dict[int, int]) -> None:
        """Both must be one chain. Each manifest names its parent's digest, so the newest that both have tells."""
        hint = "nothing was changed; see which of the two is right. An empty place can become a mirror at any time"
        what = f"{self._names.shard}: {self._mirror.url} has"
        if theirs and max(theirs) > max(ours, default=0):
            newest = f"the newest is {max(ours)}" if ours else "there is none"
            raise BackupConflict(f"{what} backup {max(theirs)}; in {self._first.url}, which counts, {newest}", hint)
        common = sorted(ours.keys() & theirs.keys())
        odd = [number for number in common if ours[number] != theirs[number]]
        if common and not odd and self._ours.backup(common[-1]).digest != self._theirs.backup(common[-1]).digest:
            odd = common[-1:]
        if odd:
            raise BackupConflict(f"{what} another backup {odd[-1]} than {self._first.url}, which counts", hint)

    def _packs_of(self, backups: Iterable[Backup]) -> dict[int, list[ObjectInfo]]:
        """The packs that each of these backups refers to; one that was pruned since it was listed is left out."""
        found = {}
        for backup in backups:
            with contextlib.suppress(BackupMissing):
                packs = self._ours.manifest(backup).body.packs
                found[backup.number] = [ObjectInfo(self._names.pack(pack.name), pack.size) for pack in packs]
        return found

    def _copy_manifest(self, number: int) -> int:
        """The manifest as it is in the first repository, read back; gives its bytes."""
        name = self._names.manifest(number)
        content = self._first.get(name)
        with contextlib.suppress(ObjectExists):  # somebody else mirrors at the same time: what is there is looked at
            self._mirror.put_if_absent(name, [content])
        if self._mirror.get(name) != content:
            raise Damaged(f"{name} in {self._mirror.url} is not what {self._first.url} has")
        return len(content)

    def _prune(self) -> tuple[int, ...]:
        """Deletes what the first repository has pruned: manifests, then packs that nothing refers to any more.

        The packs are listed before the manifests: whoever mirrors a new backup meanwhile copies packs of a manifest
        that the first repository has already.
        """
        packs = self._packs()
        ours, theirs = self._ours.sizes(), self._theirs.sizes()
        if not ours or max(theirs, default=0) != max(ours) or theirs.keys() <= ours.keys():
            return ()
        staying = self._packs_of(self._ours.backups())
        referred = {pack.name for named in staying.values() for pack in named}
        going = sorted(theirs.keys() - staying.keys())
        if max(theirs) in going:
            return ()
        self._mirror.delete_many(self._names.manifest(number) for number in going)
        self._mirror.delete_many(pack.name for pack in packs if pack.name not in referred)
        self._mirror.sweep(f"{self._names.shard}/", MARGIN)
        return tuple(going)
