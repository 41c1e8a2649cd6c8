"""Whatever somebody does to the objects of a repository, a restore gives the right data or an error that names one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.backups import noise, open_shard, read_folder, upload, write_folder
from tidemark.errors import BackupMissing, Damaged, ForeignRepository, KeyUnavailable, ObjectMissing, TidemarkError
from tidemark.repository import MasterKey, Repository, RestoreOptions
from tidemark.storage import MemoryStore, Store

pytestmark = pytest.mark.unit

KEY = MasterKey(bytes(range(32)))
FIRST = {"db/t.ibd": noise(1, 9000) + bytes(3000) + noise(2, 100), "ibdata1": noise(3, 3000), "empty": b""}
SECOND = {**FIRST, "db/t.ibd": FIRST["db/t.ibd"][:4000] + b"!" + FIRST["db/t.ibd"][4001:], "new": noise(4, 700)}


@pytest.fixture
def original(tmp_path: Path) -> MemoryStore:
    """Two backups, the second of which refers to packs of the first."""
    store = MemoryStore()
    shard = open_shard(store, KEY)
    for content in (FIRST, SECOND):
        write_folder(tmp_path / "data", content)
        upload(shard, tmp_path / "data")
    return store


def copy(store: Store) -> MemoryStore:
    other = MemoryStore()
    for info in store.list():
        other.put(info.name, [store.get(info.name)])
    return other


def names(store: Store) -> list[str]:
    return [info.name for info in store.list()]


def restore_all(store: Store, folder: Path) -> list[TidemarkError]:
    """Tries everything that a reader can ask for; gives the errors. Data that comes back must be right."""
    errors: list[TidemarkError] = []
    try:
        shard = Repository.open(store, KEY).shard("commerce/-80")
    except TidemarkError as error:
        return [error]
    try:
        shard.catalog.backups()
    except TidemarkError as error:
        errors.append(error)
    for number, content in ((1, FIRST), (2, SECOND)):
        try:
            shard.restore(shard.catalog.backup(number), folder, RestoreOptions(threads=1, reuse=folder.exists()))
            assert read_folder(folder) == content
        except TidemarkError as error:
            errors.append(error)
        if folder.exists():
            for path in folder.rglob("*.ibd"):
                path.write_bytes(b"")  # so that the next restore has to fetch
            for path in folder.glob("[in]*"):
                path.unlink()
    return errors


def test_the_untouched_repository_gives_no_error(original: MemoryStore, tmp_path: Path) -> None:
    assert len(names(original)) == 7 + 1
    assert restore_all(original, tmp_path / "out") == []


def test_a_flipped_bit_anywhere_is_found_and_named(original: MemoryStore, tmp_path: Path) -> None:
    for name in names(original):
        content = original.get(name)
        step = max(1, len(content) // 40)
        for at in [*range(0, len(content), step), len(content) - 1]:
            store = copy(original)
            changed = bytearray(content)
            changed[at] ^= 1 << (at % 8)
            store.put(name, [changed])

            errors = restore_all(store, tmp_path / "out")

            assert errors, f"a bit of {name} at {at} was flipped and nobody saw it"
            assert all(isinstance(error, Damaged) and name in error.message for error in errors), errors


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c[: len(c) // 2], lambda c: b"", lambda c: c[1:]])
def test_a_truncated_object_is_found_and_named(
    original: MemoryStore, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    for name in names(original):
        store = copy(original)
        store.put(name, [change(original.get(name))])

        errors = restore_all(store, tmp_path / "out")

        assert errors, name
        assert all(isinstance(error, Damaged) and name in error.message for error in errors), errors


def test_a_longer_manifest_or_key_is_found(original: MemoryStore, tmp_path: Path) -> None:
    for name in names(original):
        if "/packs/" in name:
            continue  # what is behind a pack's frames is never read
        store = copy(original)
        store.put(name, [original.get(name), b"\0"])

        errors = restore_all(store, tmp_path / "out")

        assert errors, name
        assert all(isinstance(error, Damaged) and name in error.message for error in errors), errors


def test_swapped_objects_are_found(original: MemoryStore, tmp_path: Path) -> None:
    every = names(original)
    for one in every:
        for other in every:
            if one == other:
                continue
            store = copy(original)
            store.put(one, [original.get(other)])

            errors = restore_all(store, tmp_path / "out")

            assert errors, (one, other)
            assert all(isinstance(error, Damaged) and one in error.message for error in errors), errors


def test_a_deleted_object_is_missed_by_its_name(original: MemoryStore, tmp_path: Path) -> None:
    for name in names(original):
        store = copy(original)
        store.delete(name)

        errors = restore_all(store, tmp_path / "out")

        assert errors, name
        for error in errors:
            if "/packs/" in name:
                assert isinstance(error, ObjectMissing)
                assert name in error.message
            elif name.startswith("keys/"):
                assert isinstance(error, ForeignRepository)
            else:
                assert isinstance(error, BackupMissing)


def test_a_manifest_of_another_shard_or_repository_is_refused(original: MemoryStore, tmp_path: Path) -> None:
    other = MemoryStore()
    for store, name in ((original, "commerce/80-"), (other, "commerce/-80")):
        write_folder(tmp_path / "data", FIRST)
        upload(open_shard(store, KEY, name), tmp_path / "data")

    for content in (
        original.get("commerce/80-/backups/000000000001"),
        other.get("commerce/-80/backups/000000000001"),
    ):
        store = copy(original)
        store.put("commerce/-80/backups/000000000001", [content])
        with pytest.raises(Damaged, match="commerce/-80/backups/000000000001"):
            open_shard(store, KEY).catalog.backups()


def test_an_older_manifest_in_the_place_of_a_newer_one_breaks_the_chain(original: MemoryStore, tmp_path: Path) -> None:
    """Two histories of one repository: number 2 of the one does not pass for number 2 of the other."""
    store = copy(original)
    store.delete("commerce/-80/backups/000000000002")
    write_folder(tmp_path / "data", FIRST)
    upload(open_shard(store, KEY), tmp_path / "data")
    forged = store.get("commerce/-80/backups/000000000002")
    upload(open_shard(original, KEY), tmp_path / "data")
    original.put("commerce/-80/backups/000000000002", [forged])

    with pytest.raises(Damaged, match="000000000003 follows another backup 2"):
        open_shard(original, KEY).catalog.backups()


def test_another_master_key_is_refused_with_both_ids(original: MemoryStore) -> None:
    other = MasterKey.generate()

    with pytest.raises(KeyUnavailable) as caught:
        Repository.open(original, other, create=True)

    assert other.id in caught.value.message
    assert KEY.id in caught.value.message


def test_a_manifest_replaced_between_listing_and_restoring_is_refused(original: MemoryStore, tmp_path: Path) -> None:
    shard = open_shard(original, KEY)
    backup = shard.catalog.backup(1)
    other = copy(original)
    for name in names(other):
        if "/backups/" in name:
            other.delete(name)
    write_folder(tmp_path / "data", SECOND)
    upload(open_shard(other, KEY), tmp_path / "data")
    original.put("commerce/-80/backups/000000000001", [other.get("commerce/-80/backups/000000000001")])

    with pytest.raises(Damaged, match="replaced"):
        shard.restore(backup, tmp_path / "out")
