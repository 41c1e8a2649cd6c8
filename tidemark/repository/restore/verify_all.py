"""Verify everything that a shard has: every manifest, the chain, every pack once, and what belongs to nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from tidemark.errors import Damaged, ObjectMissing
from tidemark.progress import ProgressCallback
from tidemark.repository.catalog import Catalog
from tidemark.repository.format.backup import Backup
from tidemark.repository.format.manifest import Manifest, PackUse
from tidemark.repository.format.names import PackName
from tidemark.repository.inspect import Inspector
from tidemark.repository.restore.frames import FrameReader
from tidemark.repository.restore.verify import MOST_NAMED, Look, SeenFrames

Inspect = Callable[[Backup], Inspector | None]
"""Gives the inspector of a backup's pages."""


@dataclass(frozen=True, slots=True)
class VerifiedAll:
    """What was found in a shard's part of a repository."""

    backups: tuple[int, ...]
    """Numbers of the backups whose manifest can be read, oldest first."""
    newest: Backup | None
    """The newest of these."""
    unsound: tuple[int, ...]
    """Numbers of the backups that something is wrong with, those with an unreadable manifest included."""
    packs: int
    """Packs that backups refer to."""
    bytes: int
    """Bytes of files whose blocks were looked at, each block once."""
    fetched_bytes: int
    """Bytes that came from the store."""
    pages: int
    """Database pages whose own checksum is right."""
    unchecked_pages: int
    """Database pages that have none to recompute."""
    unreferenced_packs: int
    """Packs that no backup refers to: of runs that are at work, that have failed, or whose backup is gone."""
    unreferenced_bytes: int
    alien: tuple[str, ...]
    """Objects below the shard's name that are neither manifests nor packs nor logs; the first thousand."""
    damages: int
    """How many things are wrong."""
    named: tuple[str, ...]
    """What is wrong, by the object's name; the first thousand."""
    seconds: float


def verify_all(
    catalog: Catalog, threads: int, sample: float, inspect: Inspect, progress: ProgressCallback
) -> VerifiedAll:
    """Looks at all of it. Damage is in what it returns; the errors of a store that does not answer are raised."""
    return _All(catalog, threads, sample, inspect, progress).run()


class _All:
    def __init__(
        self, catalog: Catalog, threads: int, sample: float, inspect: Inspect, progress: ProgressCallback
    ) -> None:
        self._catalog = catalog
        self._names = catalog.objects.names
        self._threads = threads
        self._sample = sample
        self._inspect = inspect
        self._progress = progress
        self._named: dict[str, None] = {}
        self._damages = 0
        self._unsound: set[int] = set()
        self._seen = SeenFrames()

    def run(self) -> VerifiedAll:
        began = time.monotonic()
        numbers, sizes, alien = self._list()
        manifests = self._read_manifests(numbers)
        used = self._compare(manifests, sizes)
        read = pages = unchecked = fetched = 0
        for manifest in reversed(manifests):
            look = Look(self._catalog.objects, manifest, self._inspect(manifest.backup), self._sample, self._seen)
            fetched += FrameReader(self._catalog.objects, manifest, look, threads=self._threads).run(self._progress)
            found = look.found(fetched, 0.0)
            for message in found.named:
                self._note(manifest.backup.number, message)
            read, pages, unchecked = read + found.bytes, pages + found.pages, unchecked + found.unchecked_pages
        self._blame(manifests)
        spare = {name: size for name, size in sizes.items() if name not in used}
        return VerifiedAll(
            backups=tuple(manifest.backup.number for manifest in manifests),
            newest=manifests[-1].backup if manifests else None,
            unsound=tuple(sorted(self._unsound)),
            packs=len(used),
            bytes=read,
            fetched_bytes=fetched,
            pages=pages,
            unchecked_pages=unchecked,
            unreferenced_packs=len(spare),
            unreferenced_bytes=sum(spare.values()),
            alien=tuple(alien[:MOST_NAMED]),
            damages=self._damages,
            named=tuple(self._named),
            seconds=round(time.monotonic() - began, 3),
        )

    def _list(self) -> tuple[list[int], dict[PackName, int], list[str]]:
        """By one listing: the backups' numbers, the packs with their sizes, and what is no object of ours."""
        names = self._names
        numbers: list[int] = []
        sizes: dict[PackName, int] = {}
        alien: list[str] = []
        for info in self._catalog.objects.store.list(f"{names.shard}/"):
            if info.name.startswith(names.packs) and (pack := names.parse_pack(info.name)):
                sizes[pack] = info.size
            elif info.name.startswith(names.backups) and (number := names.parse_manifest(info.name)):
                numbers.append(number)
            elif not info.name.startswith(names.logs):
                alien.append(info.name)
        return sorted(numbers), sizes, alien

    def _read_manifests(self, numbers: list[int]) -> list[Manifest]:
        """Those that can be read whole, oldest first; what is wrong with the others, and with their chain, is noted."""
        found: list[Manifest] = []
        store, codec = self._catalog.objects.store, self._catalog.objects.codec()
        for number in numbers:
            try:
                manifest = codec.decode(number, store.get(self._names.manifest(number)))
            except (Damaged, ObjectMissing) as error:
                self._note(number, error.message)
                continue
            if found:
                try:
                    self._catalog.check_follows(found[-1].backup, manifest.backup)
                except Damaged as error:
                    self._note(number, error.message)
            found.append(manifest)
        return found

    def _compare(self, manifests: list[Manifest], sizes: dict[PackName, int]) -> set[PackName]:
        """Holds the packs that backups refer to against the listing; gives their names."""
        used: dict[PackName, PackUse] = {}
        for manifest in manifests:
            for pack in manifest.body.packs:
                used[pack.name] = pack
                if sizes.get(pack.name) != pack.size:
                    self._unsound.add(manifest.backup.number)
        for name, pack in sorted(used.items()):
            seen = sizes.get(name)
            if seen is None:
                self._note(None, f"{self._names.pack(name)} is missing: it has {pack.size} bytes")
            elif seen != pack.size:
                self._note(None, f"{self._names.pack(name)} has {seen} bytes in the listing, and had {pack.size}")
        return set(used)

    def _blame(self, manifests: list[Manifest]) -> None:
        """A frame is looked at for one backup; what is wrong with its pack is wrong with all that refer to it."""
        pattern = re.compile(re.escape(self._names.packs) + r"[^/\s]+/[0-9]{12}")
        bad = {self._names.parse_pack(name) for message in self._named for name in pattern.findall(message)}
        for manifest in manifests:
            if any(pack.name in bad for pack in manifest.body.packs):
                self._unsound.add(manifest.backup.number)

    def _note(self, number: int | None, message: str) -> None:
        if number is not None:
            self._unsound.add(number)
        if message not in self._named:
            self._damages += 1
            if len(self._named) < MOST_NAMED:
                self._named[message] = None
