"""A look at everything that a shard has: damage in old backups, vanished and foreign objects, sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.backups import next_run, noise, open_shard, upload, write_folder
from tidemark.repository import VerifiedAll
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

CONTENT = {"db/t.ibd": noise(1, 30_000) + bytes(9000), "ibdata1": noise(3, 9000)}


class Place:
    """A shard with three backups, each of which refers to packs of those before."""

    def __init__(self, folder: Path) -> None:
        self.store = MemoryStore()
        self.shard = open_shard(self.store)
        for number in range(3):
            # Longer than some packs, and read by one thread: so some hold nothing but this.
            write_folder(folder / "data", CONTENT | {f"new{number}": noise(f"new {number}", 40_000)})
            upload(self.shard, folder / "data", threads=1)

    def look(self) -> VerifiedAll:
        return self.shard.verify_all(threads=2)

    def packs(self, number: int) -> set[str]:
        names = self.shard.catalog.objects.names
        return {names.pack(pack) for pack in self.shard.catalog.packs(self.shard.catalog.backup(number))}

    def replace(self, name: str, content: bytes) -> None:
        self.store.delete(name)
        self.store.put(name, [content])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_sound_shard_is_read_once_and_not_once_for_each_backup(place: Place) -> None:
    found = place.look()

    assert (found.damages, found.named, found.unsound, found.alien) == (0, (), (), ())
    assert found.backups == (1, 2, 3)
    assert found.newest == place.shard.catalog.newest()
    assert found.packs == len(place.packs(1) | place.packs(2) | place.packs(3))
    each = [place.shard.verify(place.shard.catalog.backup(number)).fetched_bytes for number in found.backups]
    assert max(each) < found.fetched_bytes < 0.8 * sum(each)


def test_damage_in_a_pack_of_an_old_backup_is_found_and_laid_at_its_door(place: Place) -> None:
    (only_old, *_) = sorted(place.packs(1) - place.packs(2) - place.packs(3))
    content = bytearray(place.store.get(only_old))
    content[len(content) // 2] ^= 1
    place.replace(only_old, bytes(content))

    found = place.look()

    assert found.unsound == (1,)
    assert all(only_old in message for message in found.named)
    assert found.damages


def test_damage_in_a_shared_pack_is_named_once_and_laid_at_every_door(place: Place) -> None:
    shared = sorted(place.packs(1) & place.packs(2) & place.packs(3))[0]
    place.replace(shared, place.store.get(shared)[:-1] + b"x")

    found = place.look()

    assert found.unsound == (1, 2, 3)
    assert all(shared in message for message in found.named)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_byte_more_or_a_pack_less_is_seen_in_the_listing(place: Place, number: int) -> None:
    name = sorted(place.packs(number))[-1]
    content = place.store.get(name)
    place.replace(name, content + b"!")
    assert f"{name} has {len(content) + 1} bytes in the listing, and had {len(content)}" in place.look().named
    assert number in place.look().unsound

    place.store.delete(name)
    assert f"{name} is missing: it has {len(content)} bytes" in place.look().named


def test_a_damaged_manifest_does_not_hide_the_others(place: Place) -> None:
    name = place.shard.catalog.objects.names.manifest(2)
    place.replace(name, place.store.get(name)[:-1])

    found = place.look()

    assert found.backups == (1, 3)
    assert found.unsound == (2,)
    assert any(name in message for message in found.named)


def test_a_backup_that_follows_another_one_than_is_there_is_told(place: Place, tmp_path: Path) -> None:
    key = next(info.name for info in place.store.list() if info.name.startswith("keys/"))
    stranger = MemoryStore()
    stranger.put(key, [place.store.get(key)])
    shard = open_shard(stranger)
    for _ in range(2):
        write_folder(tmp_path / "stranger", CONTENT)
        upload(shard, tmp_path / "stranger")
    name = shard.catalog.objects.names.manifest(2)
    place.replace(name, stranger.get(name))

    assert any("follows another backup 2" in message for message in place.look().named)


def test_what_belongs_to_nothing_is_told_and_is_no_damage(place: Place) -> None:
    names = place.shard.catalog.objects.names
    place.store.put(f"{names.run(next_run())}000000000000", [b"of a run that is at work"])
    place.store.put(f"{names.shard}/note.txt", [b"?"])
    place.store.put(f"{names.logs}whatever", [b"kept free"])

    found = place.look()

    assert found.damages == 0
    assert (found.unreferenced_packs, found.unreferenced_bytes) == (1, 24)
    assert found.alien == (f"{names.shard}/note.txt",)


def test_a_shard_without_backups_has_nothing_wrong() -> None:
    found = open_shard(MemoryStore()).verify_all()

    assert (found.backups, found.newest, found.damages) == ((), None, 0)
