"""A mirror holds whole backups only, follows the first repository, and keeps what the first has lost by accident."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.backups import FailingStore, WatchedStore, WrappedStore, noise, read_folder, upload, write_folder
from tidemark.errors import BackupConflict, Damaged, ForeignRepository, StorageUnavailable
from tidemark.repository import MasterKey, Mirror, Repository, RetentionPolicy
from tidemark.repository.mirror.copy import PackCopier
from tidemark.repository.threads.meter import Meter
from tidemark.storage import MemoryStore, ObjectInfo, Store

pytestmark = pytest.mark.unit

SHARD = "commerce/-80"
KEY = MasterKey(bytes(range(32)))


@pytest.fixture
def first(tmp_path: Path) -> MemoryStore:
    """Two backups; the second has changed some of the first."""
    store = MemoryStore("memory:first")
    add_backup(store, tmp_path, 1)
    add_backup(store, tmp_path, 2)
    return store


def add_backup(store: Store, folder: Path, number: int) -> None:
    content = {"a": noise("a", 40_000), "b": noise(number, 20_000), "empty": b""}
    write_folder(folder / "data", content)
    upload(Repository.open(store, KEY, create=True).shard(SHARD), folder / "data")


def mirrored(first: Store, store: Store) -> Mirror:
    repository = Repository.open(first, KEY)
    repository.copy_keys(store)
    return repository.mirror(store, SHARD)


def content(store: Store) -> dict[str, bytes]:
    return {info.name: store.get(info.name) for info in store.list()}


def restores(store: Store, folder: Path, number: int) -> dict[str, bytes]:
    shard = Repository.open(store, KEY).shard(SHARD)
    shard.restore(shard.catalog.backup(number), folder)
    return read_folder(folder)


def prune(store: Store, keep: int) -> tuple[int, ...]:
    shard = Repository.open(store, KEY).shard(SHARD)
    return shard.prune(RetentionPolicy(keep_last=keep), now=datetime.now(UTC)).numbers


def test_an_empty_place_becomes_a_mirror_that_restores(first: MemoryStore, tmp_path: Path) -> None:
    store = MemoryStore("memory:second")
    mirror = mirrored(first, store)
    assert mirror.level().missing == (1, 2)

    done = mirror.bring_level()

    assert done.numbers == (1, 2)
    assert done.bytes == sum(len(body) for name, body in content(store).items() if not name.startswith("keys/"))
    assert content(store) == content(first)
    assert (mirror.level().missing, mirror.level().mirrored) == ((), 2)
    assert restores(store, tmp_path / "out", 2)["b"] == noise(2, 20_000)


def test_what_is_there_is_not_copied_again(first: MemoryStore, tmp_path: Path) -> None:
    store = MemoryStore("memory:second")
    mirrored(first, store).bring_level()
    add_backup(first, tmp_path, 3)

    done = mirrored(first, store).bring_level()

    assert done.numbers == (3,)
    assert 0 < done.bytes < 40_000
    assert mirrored(first, store).bring_level().bytes == 0


def test_the_newest_backup_is_copied_first_and_its_manifest_last(first: MemoryStore) -> None:
    seen: list[str] = []
    store = WatchedStore(MemoryStore("memory:second"), lambda what, name: seen.append(name) if "put" in what else None)

    mirrored(first, store).bring_level(threads=1)

    manifests = [name for name in seen if "/backups/" in name]
    assert [name[-1] for name in manifests] == ["2", "1"]
    shard = Repository.open(first, KEY).shard(SHARD)
    before = [name for name in seen[: seen.index(manifests[0])] if "/packs/" in name]
    assert len(before) == len(shard.catalog.manifest(shard.catalog.backup(2)).body.packs)


def test_a_mirroring_that_was_cut_off_at_any_object_is_continued(first: MemoryStore, tmp_path: Path) -> None:
    for survived in range(len(content(first))):
        store = MemoryStore("memory:second")
        try:
            mirrored(first, FailingStore(store, survived)).bring_level(threads=2)
        except StorageUnavailable:
            if survived == 0:
                continue  # not even a key
            shard = Repository.open(store, KEY).shard(SHARD)
            for backup in shard.catalog.backups():  # what a reader sees is whole
                shard.restore(backup, tmp_path / f"{survived}-{backup.number}")
        mirrored(first, store).bring_level()
        assert content(store) == content(first)


def test_a_pack_that_was_cut_off_is_replaced(first: MemoryStore) -> None:
    store = MemoryStore("memory:second")
    pack = next(info for info in first.list(f"{SHARD}/packs/"))
    store.put("keys/" + KEY.id, [first.get("keys/" + KEY.id)])
    store.put(pack.name, [b"cut off"])

    mirrored(first, store).bring_level()

    assert content(store) == content(first)


def test_a_pack_that_the_first_has_lost_is_an_error_that_names_it(first: MemoryStore) -> None:
    store = MemoryStore("memory:second")
    pack = next(info for info in first.list(f"{SHARD}/packs/"))
    first.delete(pack.name)

    with pytest.raises(Damaged, match=pack.name):
        mirrored(first, store).bring_level()
    assert not list(store.list(f"{SHARD}/backups/"))


def test_a_mirror_that_loses_what_it_is_given_is_not_believed(first: MemoryStore) -> None:
    class Loses(WrappedStore):
        def stat(self, name: str) -> ObjectInfo:
            return ObjectInfo(name, self.inner.stat(name).size - 1)

    with pytest.raises(Damaged, match="instead of"):
        mirrored(first, Loses(MemoryStore("memory:second"))).bring_level()


def test_what_the_first_has_pruned_goes_from_the_mirror_after_it(first: MemoryStore, tmp_path: Path) -> None:
    store = MemoryStore("memory:second")
    mirrored(first, store).bring_level()
    add_backup(first, tmp_path, 3)
    assert prune(first, keep=1) == (1, 2)
    assert mirrored(first, store).level().extra == (1, 2)

    done = mirrored(first, store).bring_level()

    assert (done.numbers, done.pruned) == ((3,), (1, 2))
    assert content(store) == content(first)
    assert restores(store, tmp_path / "out", 3)["b"] == noise(3, 20_000)


def test_a_first_repository_that_lost_its_backups_takes_nothing_from_the_mirror(first: MemoryStore) -> None:
    store = MemoryStore("memory:second")
    mirrored(first, store).bring_level()
    before = content(store)
    for name in list(content(first)):
        if "/backups/" in name:
            first.delete(name)

    with pytest.raises(BackupConflict, match="which counts, there is none"):
        mirrored(first, store).bring_level()
    assert content(store) == before


def test_a_first_repository_that_was_rewound_and_went_on_is_told_apart(first: MemoryStore, tmp_path: Path) -> None:
    store = MemoryStore("memory:second")
    mirrored(first, store).bring_level()
    before = content(store)
    first.delete(f"{SHARD}/backups/{2:012d}")
    add_backup(first, tmp_path, 7)

    with pytest.raises(BackupConflict, match="another backup 2"):
        mirrored(first, store).bring_level()
    assert content(store) == before


def test_a_pack_of_a_backup_that_somebody_else_mirrors_now_is_not_pruned(first: MemoryStore, tmp_path: Path) -> None:
    store = MemoryStore("memory:second")
    mirrored(first, store).bring_level()
    add_backup(first, tmp_path, 3)
    prune(first, keep=1)
    began, go_on = threading.Event(), threading.Event()

    def wait(what: str, name: str) -> None:
        if what == "put_if_absent" and "/backups/" in name:
            began.set()
            assert go_on.wait(20)

    slow = threading.Thread(target=mirrored(first, WatchedStore(store, wait)).bring_level)
    slow.start()
    assert began.wait(20)  # all packs of backup 3 are there, its manifest is not
    mirrored(first, store).bring_level()
    go_on.set()
    slow.join()

    assert content(store) == content(first)


@pytest.mark.parametrize("there", ["holiday.jpg", "keys/0123456789abcdef"])
def test_a_place_that_holds_something_else_is_left_alone(first: MemoryStore, there: str) -> None:
    store = MemoryStore("memory:second")
    store.put(there, [b"{}"])

    with pytest.raises(ForeignRepository, match="is not a mirror of memory:first"):
        mirrored(first, store)
    assert content(store) == {there: b"{}"}


def test_another_repository_is_not_taken_for_a_mirror(first: MemoryStore, tmp_path: Path) -> None:
    store = MemoryStore("memory:second")
    add_backup(store, tmp_path, 1)

    with pytest.raises(ForeignRepository, match="belongs to"):
        mirrored(first, store)


def test_keys_follow_the_first_repository(first: MemoryStore) -> None:
    store = MemoryStore("memory:second")
    mirrored(first, store)
    name = f"keys/{KEY.id}"
    wrapped = first.get(name)
    repository = Repository.open(first, KEY)
    first.put("keys/new", [wrapped])
    first.delete(name)

    repository.copy_keys(store)

    assert content(store) == {"keys/new": wrapped}


@pytest.mark.parametrize("damaged", ["first", "second"])
def test_a_damaged_key_object_is_told_and_never_put_over_a_sound_one(first: MemoryStore, damaged: str) -> None:
    store = MemoryStore("memory:second")
    mirrored(first, store)
    name = f"keys/{KEY.id}"
    sound = first.get(name)
    opened = Repository.open(first, KEY)
    bad = first if damaged == "first" else store
    for content in (sound.replace(b'"wrapped": "', b'"wrapped": "00'), b"not JSON"):
        bad.put(name, [content])

        with pytest.raises(Damaged, match=f"{name} is not the same in memory:first and in memory:second"):
            opened.copy_keys(store)
        assert {first.get(name), store.get(name)} == {sound, content}


def test_packs_in_memory_stay_within_the_budget() -> None:
    source, target = MemoryStore("memory:a"), MemoryStore("memory:b")
    packs = [ObjectInfo(f"p{n}", 1000) for n in range(40)]
    for pack in packs:
        source.put(pack.name, [bytes(pack.size)])
    now, most, lock = 0, 0, threading.Lock()

    class Counts(WrappedStore):
        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            nonlocal now, most
            with lock:
                now += 1000
                most = max(most, now)
            return super().get(name, start, length)

        def put_if_absent(self, name: str, body: object) -> None:
            nonlocal now
            super().put_if_absent(name, body)  # type: ignore[arg-type]
            with lock:
                now -= 1000

    both = Counts(source)
    both_target = Counts(target)
    PackCopier(both, both_target, _none(), budget=3500).copy(
        packs, threads=8, meter=Meter("copying", 40_000, lambda moment: None)
    )

    assert len(list(target.list())) == 40
    assert most <= 3000


def _none() -> Iterator[ObjectInfo]:
    return iter(())
