"""Uploads that fail, go on, collide or are forbidden."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.backups import (
    FailingStore,
    WatchedStore,
    WrappedStore,
    facts,
    next_run,
    noise,
    open_shard,
    read_folder,
    upload,
    write_folder,
)
from tidemark.errors import BackupConflict, Damaged, LeaseLost, RepositoryError, StorageUnavailable
from tidemark.repository import Backup, RestoreOptions, ShardRepository
from tidemark.storage import Body, MemoryStore, ObjectInfo, Store

pytestmark = pytest.mark.unit

CONTENT = {"big": noise(1, 150_000), "db/a": noise(2, 20_000) + bytes(9000), "db/b": noise(3, 511)}


def packs(store: Store) -> dict[str, int]:
    return {info.name: info.size for info in store.list("commerce/-80/packs/")}


def check(shard: ShardRepository, backup: Backup, folder: Path, content: dict[str, bytes]) -> None:
    shard.restore(backup, folder, RestoreOptions(reuse=folder.exists()))
    assert read_folder(folder) == content


@pytest.mark.parametrize("puts", [1, 2, 5, 12])
def test_a_resumed_upload_stores_no_block_twice(tmp_path: Path, puts: int) -> None:
    inner = MemoryStore()
    open_shard(inner)
    store = FailingStore(inner, puts)
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    run_id = next_run()
    with pytest.raises(StorageUnavailable):
        upload(shard, tmp_path / "data", run_id=run_id)
    before = packs(inner)
    assert len(before) == puts
    assert shard.catalog.backups() == []
    store.puts = -1

    backup = upload(shard, tmp_path / "data", run_id=run_id)

    reference = open_shard(MemoryStore())
    assert backup.new_blocks == upload(reference, tmp_path / "data").new_blocks
    # Only what the failed attempt had in flight, and the maps, come again.
    fresh = sum(size for name, size in packs(inner).items() if name not in before)
    assert fresh < sum(map(len, CONTENT.values())) - (puts - 3) * 7000 + 6000
    assert all(packs(inner)[name] == size for name, size in before.items())
    check(shard, backup, tmp_path / "out", CONTENT)
    assert shard.discard_run(run_id).packs == 0
    check(shard, backup, tmp_path / "out", CONTENT)


def test_an_upload_may_fail_and_go_on_many_times(tmp_path: Path) -> None:
    inner = MemoryStore()
    open_shard(inner)
    store = FailingStore(inner, 2)
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    run_id = next_run()
    for attempt in range(30):
        store.puts = 2
        try:
            backup = upload(shard, tmp_path / "data", run_id=run_id, threads=1 + attempt % 3, pack_size=32768)
            break
        except StorageUnavailable:
            continue
    else:
        pytest.fail("it never came to an end")

    attempts = {int(name.rpartition("/")[2]) // 10**6 for name in packs(inner)}
    assert attempts == set(range(attempt + 1))
    assert attempt >= 3
    check(shard, backup, tmp_path / "out", CONTENT)


def test_a_resumed_upload_sees_what_has_changed_meanwhile(tmp_path: Path) -> None:
    """After a restore in between, the folder need not be what the journal was written for."""
    inner = MemoryStore()
    open_shard(inner)
    store = FailingStore(inner, 8)
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    run_id = next_run()
    with pytest.raises(StorageUnavailable):
        upload(shard, tmp_path / "data", run_id=run_id)
    store.puts = -1
    changed = {"big": noise(1, 60_000) + noise(9, 60_000), "db/a": noise(2, 3000), "new": noise(2, 20_000)}
    write_folder(tmp_path / "data", changed)

    backup = upload(shard, tmp_path / "data", run_id=run_id)

    check(shard, backup, tmp_path / "out", changed)


def test_a_torn_journal_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    inner = MemoryStore()
    open_shard(inner)
    write_folder(tmp_path / "data", CONTENT)
    run_id = next_run()
    with pytest.raises(StorageUnavailable):
        upload(open_shard(FailingStore(inner, 9)), tmp_path / "data", run_id=run_id)
    journal = tmp_path / f"{run_id}.journal"
    whole = journal.read_bytes()
    for length in [0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1]:
        store = MemoryStore()
        for info in inner.list():
            store.put(info.name, [inner.get(info.name)])
        journal.write_bytes(whole[:length])
        shard = open_shard(store)

        backup = upload(shard, tmp_path / "data", run_id=run_id)

        assert all(packs(store)[name] == size for name, size in packs(inner).items())
        check(shard, backup, tmp_path / "out", CONTENT)


def test_a_journal_counts_only_for_packs_that_the_store_still_has(tmp_path: Path) -> None:
    inner = MemoryStore()
    open_shard(inner)
    write_folder(tmp_path / "data", CONTENT)
    run_id = next_run()
    with pytest.raises(StorageUnavailable):
        upload(open_shard(FailingStore(inner, 9)), tmp_path / "data", run_id=run_id)
    for name in list(packs(inner))[::2]:
        inner.delete(name)
    shard = open_shard(inner)

    backup = upload(shard, tmp_path / "data", run_id=run_id)

    check(shard, backup, tmp_path / "out", CONTENT)


def test_an_upload_that_is_asked_twice_works_once(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    run_id = next_run()
    first = upload(shard, tmp_path / "data", run_id=run_id)
    before = [info.name for info in store.list()]

    again = upload(shard, tmp_path / "data", run_id=run_id, parent=None)
    upload(shard, tmp_path / "data")
    later = upload(shard, tmp_path / "data", run_id=run_id, parent=None)

    assert first == again == later
    assert len(shard.catalog.backups()) == 2
    assert {name for name in before if run_id in name} == {name for name in packs(store) if run_id in name}


def test_two_runs_never_commit_the_same_number(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    start = threading.Barrier(6)
    won: list[Backup] = []
    lost: list[BackupConflict] = []

    def run(run_id: str) -> None:
        start.wait()
        try:
            won.append(upload(shard, tmp_path / "data", run_id=run_id, parent=None))
        except BackupConflict as error:
            lost.append(error)

    threads = [threading.Thread(target=run, args=(next_run(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert len(lost) == 5
    assert shard.catalog.backups() == won
    check(shard, won[0], tmp_path / "out", CONTENT)


def test_a_run_that_another_one_has_overtaken_commits_nothing(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    parent = upload(shard, tmp_path / "data")
    overtaken = False

    def overtake() -> None:
        nonlocal overtaken
        if not overtaken:
            overtaken = True
            upload(shard, tmp_path / "data")

    with pytest.raises(BackupConflict, match="newest backup is 2"):
        upload(shard, tmp_path / "data", parent=parent, guard=overtake)
    with pytest.raises(BackupConflict, match="newest backup is 2"):
        upload(shard, tmp_path / "data", parent=parent)
    assert [backup.number for backup in shard.catalog.backups()] == [1, 2]


@pytest.mark.parametrize("allowed", [0, 1, 4])
def test_a_guard_that_says_no_stops_everything(tmp_path: Path, allowed: int) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    calls = 0

    def guard() -> None:
        nonlocal calls
        calls += 1
        if calls > allowed:
            raise LeaseLost("somebody else has the shard")

    with pytest.raises(LeaseLost):
        upload(shard, tmp_path / "data", guard=guard)

    assert len(packs(store)) <= allowed
    assert shard.catalog.backups() == []


def test_the_guard_is_asked_last_before_the_manifest(tmp_path: Path) -> None:
    events: list[str] = []
    store = MemoryStore()
    open_shard(store)
    shard = open_shard(WatchedStore(store, lambda what, name: events.append(name) if what != "get" else None))
    write_folder(tmp_path / "data", CONTENT)

    upload(shard, tmp_path / "data", guard=lambda: events.append("guard"), threads=1)

    manifest = events.index("commerce/-80/backups/000000000001")
    assert events[manifest - 1] == "guard"
    assert manifest == len(events) - 1
    assert events.count("guard") == len(packs(store)) + 1


class ShorteningStore(WrappedStore):
    """Says of every pack that it is a byte shorter than it was."""

    def stat(self, name: str) -> ObjectInfo:
        return ObjectInfo(name, super().stat(name).size - 1)


class ForgettingStore(WrappedStore):
    """Stores manifests with a byte changed."""

    def put_if_absent(self, name: str, body: Body) -> None:
        content = bytearray(b"".join(body))
        if "/backups/" in name:
            content[-1] ^= 1
        super().put_if_absent(name, [content])


def test_a_store_that_keeps_something_else_is_not_believed(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", CONTENT)
    store = MemoryStore()
    open_shard(store)

    with pytest.raises(StorageUnavailable, match=r"packs/.* now says that it has \d+"):
        upload(open_shard(ShorteningStore(store)), tmp_path / "data")
    with pytest.raises(Damaged, match="reads back differently"):
        upload(open_shard(ForgettingStore(store)), tmp_path / "data")


def test_packs_that_somebody_deleted_forbid_the_commit(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", CONTENT)
    run_id = next_run()

    def clean_up_behind() -> None:
        shard.discard_run(run_id)

    with pytest.raises(RepositoryError, match="is not there any more"):
        upload(shard, tmp_path / "data", run_id=run_id, guard=clean_up_behind, threads=1)
    assert shard.catalog.backups() == []


def test_facts_and_sizes_stand_in_the_backup(tmp_path: Path) -> None:
    shard = open_shard(MemoryStore())
    write_folder(tmp_path / "data", CONTENT)
    first = upload(shard, tmp_path / "data", facts=facts(first_backup="clone", flavour="mariadb"))
    second = upload(shard, tmp_path / "data", facts=facts(restored_from=1, position="é" * 20_000))

    assert shard.catalog.backups() == [first, second]
    assert shard.catalog.newest() == second == shard.catalog.backup(2)
    assert (first.number, first.parent, first.parent_digest, first.first_backup) == (1, None, "", "clone")
    assert (second.number, second.parent, second.parent_digest, second.restored_from) == (2, 1, first.digest, 1)
    assert second.position == "é" * 20_000
    assert first.flavour == "mariadb"
    assert first.variables == {"innodb_page_size": "16384"}
    assert first.bytes == sum(map(len, CONTENT.values()))
    assert first.started_at == facts().started_at < first.finished_at
    assert first.finished_at.utcoffset() is not None
    assert first.stored_bytes > 170_000


def test_listing_reads_only_the_heads(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    write_folder(tmp_path / "data", {noise(i, 30).hex(): b"x" for i in range(500)})
    upload(shard, tmp_path / "data")
    read = 0

    class CountingStore(WrappedStore):
        def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
            nonlocal read
            content = super().get(name, start, length)
            read += len(content)
            return content

    assert len(open_shard(CountingStore(store)).catalog.backups()) == 1
    assert read < 10_000 < store.stat("commerce/-80/backups/000000000001").size
