"""The backups of a shard as a store has them, which may change between two questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.backups import WrappedStore, noise, open_shard, upload, write_folder
from tidemark.errors import BackupMissing, Damaged
from tidemark.repository import Backup
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit


class Changing(WrappedStore):
    """Does something right after the next listing of manifests."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner)
        self.gone = ""

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if name == self.gone:
            self.inner.delete(name)
        return super().get(name, start, length)


@pytest.fixture
def store(tmp_path: Path) -> Changing:
    """With three backups."""
    memory = MemoryStore()
    for number in range(3):
        write_folder(tmp_path / "data", {"t": noise(number, 3000)})
        upload(open_shard(memory), tmp_path / "data")
    return Changing(memory)


def name_of(store: Changing, number: int) -> str:
    return open_shard(store).catalog.objects.names.manifest(number)


def replace(store: Changing, name: str, content: bytes) -> None:
    store.delete(name)
    store.put(name, [content])


def numbers(backups: tuple[Backup, ...] | list[Backup]) -> list[int]:
    return [backup.number for backup in backups]


def test_a_backup_that_is_pruned_between_the_listing_and_the_reading_is_not_there(store: Changing) -> None:
    catalog = open_shard(store).catalog
    store.gone = name_of(store, 1)

    assert numbers(catalog.backups()) == [2, 3]
    assert numbers(catalog.history().backups) == [2, 3]


def test_a_manifest_that_goes_before_it_is_read_is_missing_by_its_number(store: Changing) -> None:
    catalog = open_shard(store).catalog
    backup = catalog.backup(2)
    store.delete(name_of(store, 2))

    for read in (catalog.manifest, catalog.packs):
        with pytest.raises(BackupMissing, match="has no backup 2") as caught:
            read(backup)
        assert caught.value.hint == "complete backups: 1, 3"
    with pytest.raises(BackupMissing, match="has no backup 9"):
        catalog.backup(9)


def test_a_damaged_manifest_ends_a_listing_and_is_a_finding_of_the_history(store: Changing) -> None:
    catalog, name = open_shard(store).catalog, name_of(store, 2)
    replace(store, name, store.get(name)[:40] + b"?" + store.get(name)[41:])

    with pytest.raises(Damaged):
        catalog.backups()
    history = catalog.history()
    assert numbers(history.backups) == [1, 3]
    assert list(history.unreadable) == [2]
    assert name in history.unreadable[2]


def test_what_is_passed_over_is_not_read(store: Changing) -> None:
    catalog = open_shard(store).catalog
    replace(store, name_of(store, 3), b"rubbish")

    newest = catalog.newest(passing_over={3})
    assert newest is not None
    assert newest.number == 2
    assert numbers(catalog.since(2, passing_over={3})) == [2]
    assert catalog.newest(passing_over={1, 2, 3}) is None


def test_a_manifest_that_was_replaced_is_not_the_one_that_was_asked_for(store: Changing, tmp_path: Path) -> None:
    catalog = open_shard(store).catalog
    before = catalog.backup(3)
    other = MemoryStore()
    key = next(info.name for info in store.list() if info.name.startswith("keys/"))
    other.put(key, [store.get(key)])
    for number in range(3):
        write_folder(tmp_path / "data", {"t": noise(f"other {number}", 3000)})
        upload(open_shard(other), tmp_path / "data")
    replace(store, name_of(store, 3), other.get(name_of(store, 3)))

    for read in (catalog.manifest, catalog.packs):
        with pytest.raises(Damaged, match="has been replaced by another one"):
            read(before)
    with pytest.raises(Damaged, match="follows another backup 2 than the one there"):
        catalog.backups()


def test_packs_are_held_against_one_listing(store: Changing) -> None:
    catalog = open_shard(store).catalog
    packs = catalog.manifest(catalog.backup(3)).body.packs
    names = [catalog.objects.names.pack(pack.name) for pack in packs]

    assert catalog.missing_packs(packs) == []
    store.delete(names[0])
    replace(store, names[-1], store.get(names[-1]) + b"!")
    assert catalog.missing_packs(packs) == ([packs[0], packs[-1]] if len(packs) > 1 else [packs[0]])
