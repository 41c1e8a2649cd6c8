"""Packs that the store has lost between two backups: never a backup without them, never one that refers to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.backups import noise, open_shard, read_folder, upload, write_folder
from tidemark.errors import RepositoryError
from tidemark.repository import Backup, RestoreOptions, ShardRepository
from tidemark.repository.format.manifest import PackUse
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

CONTENT = {"ibdata1": noise("system", 40_000), "shop/t.ibd": noise("t", 60_000), "shop/u.ibd": noise("u", 9_000)}


class Place:
    """A shard with one backup, in memory."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.shard: ShardRepository = open_shard(self.store)
        self.data = folder / "data"
        write_folder(self.data, CONTENT)
        self.first = upload(self.shard, self.data)

    @property
    def packs(self) -> tuple[PackUse, ...]:
        return self.shard.catalog.manifest(self.first).body.packs

    def name(self, pack: PackUse) -> str:
        return self.shard.catalog.objects.names.pack(pack.name)

    def lost(self) -> list[PackUse]:
        return self.shard.catalog.missing_packs(self.packs)

    def next(self, guard: Callable[[], None] = lambda: None) -> Backup:
        """A second backup, of a folder in which a little has changed."""
        write_folder(self.data, CONTENT | {"shop/u.ibd": noise("changed", 9_000)})
        lost = frozenset(pack.name for pack in self.lost())
        return upload(self.shard, self.data, lost=lost, guard=guard)

    def comes_back(self, backup: Backup, folder: Path) -> bool:
        self.shard.restore(backup, folder, RestoreOptions())
        return read_folder(folder) == read_folder(self.data)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def truncate(store: MemoryStore, name: str) -> None:
    content = store.get(name)
    store.delete(name)
    store.put(name, [content[:-1]])


def test_nothing_is_missing_from_a_whole_repository(place: Place) -> None:
    assert len(place.packs) > 5
    assert place.lost() == []


def test_whichever_pack_is_gone_or_cut_off_the_next_backup_is_whole(tmp_path: Path) -> None:
    for number in range(len(Place(tmp_path).packs)):
        for harm in (MemoryStore.delete, truncate):
            place = Place(tmp_path)
            pack = place.packs[number]
            harm(place.store, place.name(pack))
            assert place.lost() == [pack]

            second = place.next()

            assert pack.name not in place.shard.catalog.packs(second)
            assert place.comes_back(second, tmp_path / f"restored-{number}-{harm.__name__}")


def test_all_packs_may_be_gone(place: Place, tmp_path: Path) -> None:
    for pack in place.packs:
        place.store.delete(place.name(pack))

    second = place.next()

    assert second.new_blocks > 0
    assert place.comes_back(second, tmp_path / "restored")


def test_without_losses_nothing_is_stored_twice(place: Place) -> None:
    assert place.next().stored_bytes < place.first.stored_bytes / 2


def test_a_pack_that_goes_while_the_upload_runs_leaves_no_backup(place: Place) -> None:
    def take_away() -> None:
        place.store.delete(place.name(place.packs[0]))

    with pytest.raises(RepositoryError, match="is gone or not whole") as caught:
        place.next(guard=take_away)

    assert place.name(place.packs[0]) in caught.value.message
    assert "the next run stores again" in caught.value.hint
    assert place.shard.catalog.newest() == place.first


def test_an_upload_that_was_not_told_commits_nothing_either(place: Place) -> None:
    place.store.delete(place.name(place.packs[-1]))

    with pytest.raises(RepositoryError):
        upload(place.shard, place.data)
    assert place.shard.catalog.newest() == place.first
