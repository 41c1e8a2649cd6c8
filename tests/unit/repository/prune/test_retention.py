"""What is kept, what is deleted, and that nothing that is needed ever goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.backups import FailingStore, facts, next_run, noise, open_shard, read_folder, upload, write_folder
from tidemark.errors import Damaged, StorageUnavailable
from tidemark.repository import Backup, RestoreOptions, RetentionPolicy, ShardRepository, plan_prune
from tidemark.storage import FileStore, MemoryStore

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 23, 22, tzinfo=UTC)
LAST = RetentionPolicy(keep_last=1)


def backup(number: int, age: timedelta, restored_from: int | None = None) -> Backup:
    return Backup(
        number=number,
        run_id=f"run{number}",
        parent=number - 1 or None,
        parent_digest="",
        restored_from=restored_from,
        flavour="mysql",
        server_version="9.7.4",
        checkpoint="",
        position="",
        first_backup=None,
        started_at=NOW - age,
        finished_at=NOW - age,
        bytes=0,
        stored_bytes=0,
        new_blocks=0,
        blocks=0,
        files=0,
        variables={},
        block_size=65536,
    )


def kept(backups: list[Backup], policy: RetentionPolicy) -> list[int]:
    plan = plan_prune(backups, NOW, policy)
    keep, delete = [v.number for v in plan.keep], [v.number for v in plan.delete]
    assert sorted(keep + delete) == [b.number for b in backups]
    assert all(verdict.reason for verdict in (*plan.keep, *plan.delete))
    return keep


def days(*ages: int) -> list[Backup]:
    return [backup(i + 1, timedelta(days=age)) for i, age in enumerate(ages)]


def test_no_backups_make_an_empty_plan() -> None:
    assert kept([], LAST) == []


def test_the_last_so_many_are_kept() -> None:
    assert kept(days(5, 4, 3, 2, 1), RetentionPolicy(keep_last=2)) == [4, 5]
    assert kept(days(2, 1), RetentionPolicy(keep_last=9)) == [1, 2]


def test_what_is_young_is_kept() -> None:
    assert kept(days(5, 4, 3, 2, 1), RetentionPolicy(keep_last=1, keep_within=timedelta(days=2, hours=1))) == [3, 4, 5]


def test_the_newest_is_kept_however_old_it_is() -> None:
    assert kept(days(500, 400), RetentionPolicy(keep_last=1, keep_within=timedelta(days=1))) == [2]


def test_the_newest_proven_one_is_kept_and_so_is_what_proves_it() -> None:
    backups = [backup(n, timedelta(days=9 - n), restored_from={3: 2, 2: 1}.get(n)) for n in range(1, 7)]

    assert kept(backups, LAST) == [2, 3, 6]
    assert kept([backups[1], backups[2], backups[5]], LAST) == [2, 3, 6]


def make(shard: ShardRepository, work: Path, count: int) -> list[dict[str, bytes]]:
    """Backups of a folder of which every one changes about a third."""
    states = []
    for number in range(count):
        state = {f"t{i}": noise((i, number if (i + number) % 3 == 0 else i), 6000) for i in range(6)}
        write_folder(work / "data", state)
        upload(shard, work / "data", facts=facts(restored_from=number or None))
        states.append(state)
    return states


def test_after_pruning_every_backup_that_is_left_is_whole(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    states = make(shard, tmp_path, 8)
    before = {info.name: info.size for info in store.list()}

    dry = shard.prune(RetentionPolicy(keep_last=3), now=datetime.now(UTC), dry_run=True)
    assert {info.name: info.size for info in store.list()} == before
    pruned = shard.prune(RetentionPolicy(keep_last=3), now=datetime.now(UTC))

    assert dry.plan is not None
    assert (dry.numbers, dry.packs, dry.bytes) == (pruned.numbers, pruned.packs, pruned.bytes)
    assert pruned.numbers == (1, 2, 3, 4, 5)
    gone = {name: size for name, size in before.items() if name not in {info.name for info in store.list()}}
    assert pruned.packs == len(gone) - 5 > 0
    assert pruned.bytes == sum(gone.values())
    for left in shard.catalog.backups():
        shard.restore(left, tmp_path / "out", RestoreOptions(reuse=left.number > 6))
        assert read_folder(tmp_path / "out") == states[left.number - 1]
    again = shard.prune(RetentionPolicy(keep_last=3), now=datetime.now(UTC))
    assert (again.numbers, again.packs, again.bytes) == ((), 0, 0)


def test_rubbish_does_not_pile_up(tmp_path: Path) -> None:
    """Blocks in packs that are mostly rubbish are stored anew, and the old packs go."""
    store = MemoryStore()
    shard = open_shard(store)
    for number in range(12):
        state = {f"t{i}": noise((i, number if i % 12 == number else 0), 6000) for i in range(12)}
        write_folder(tmp_path / "data", state)
        upload(shard, tmp_path / "data", threads=1)
    rewritten = upload(
        shard, tmp_path / "data", threads=1
    )  # nothing has changed, but the last backup has left half-dead packs
    shard.prune(LAST, now=datetime.now(UTC))

    packs = shard.catalog.manifest(rewritten).body.packs
    assert all(pack.live <= pack.raw <= 2 * pack.live for pack in packs)
    assert sum(pack.size for pack in packs) == sum(info.size for info in store.list("commerce/-80/packs/"))
    shard.restore(rewritten, tmp_path / "out")
    assert read_folder(tmp_path / "out") == state


def test_a_pack_goes_with_the_last_backup_that_refers_to_it_however_long_ago_its_run_was(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    for number in range(8):
        state = {"always": noise(0, 6000), **{f"t{i}": noise((i, number - number % (i + 1)), 6000) for i in range(6)}}
        write_folder(tmp_path / "data", state)
        made = upload(shard, tmp_path / "data", threads=1)
        shard.prune(LAST, now=made.finished_at)

        referred = {
            f"commerce/-80/packs/{pack.run_id}/{pack.number:012d}"
            for b in shard.catalog.backups()
            for pack in shard.catalog.packs(b)
        }
        assert {info.name for info in store.list("commerce/-80/packs/")} == referred


def test_an_unreadable_manifest_stops_pruning_before_anything_goes(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    make(shard, tmp_path, 4)
    for number in (1, 3, 4):
        name = f"commerce/-80/backups/{number:012d}"
        original = store.get(name)
        store.put(name, [original[:-1] + bytes([original[-1] ^ 1]) if number > 2 else b"x" + original[1:]])
        before = [info.name for info in store.list()]

        with pytest.raises(Damaged, match=name):
            shard.prune(RetentionPolicy(keep_last=2), now=datetime.now(UTC))

        assert [info.name for info in store.list()] == before
        store.put(name, [original])


def fail_halfway(store: MemoryStore, work: Path, run_id: str) -> int:
    """A run that stores packs and commits nothing; gives how many packs the shard has then."""
    write_folder(work / "data", {"x": noise(run_id, 60_000)})
    with pytest.raises(StorageUnavailable):
        upload(open_shard(FailingStore(store, 3)), work / "data", run_id=run_id)
    return len(list(store.list("commerce/-80/packs/")))


def test_packs_of_an_unknown_run_are_left_alone_for_a_week(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    make(shard, tmp_path, 1)
    run_id = next_run()
    packs = fail_halfway(store, tmp_path, run_id)
    began = datetime(2026, 11, 23, 21, 7, 13, tzinfo=UTC)

    assert shard.prune(LAST, now=began + timedelta(days=6, hours=23)).packs == 0
    assert shard.prune(LAST, now=began + timedelta(days=8), living_runs=frozenset({run_id})).packs == 0
    assert len(list(store.list("commerce/-80/packs/"))) == packs
    assert shard.prune(LAST, now=began + timedelta(days=8)).packs == 3


def test_packs_of_a_run_that_is_known_dead_go_at_once(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    make(shard, tmp_path, 1)
    run_id = next_run()
    fail_halfway(store, tmp_path, run_id)

    assert shard.prune(LAST, now=NOW, dead_runs=frozenset({run_id})).packs == 3


def test_packs_of_a_run_with_an_odd_id_are_never_guessed_to_be_old(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    make(shard, tmp_path, 1)
    fail_halfway(store, tmp_path, "handmade")

    assert shard.prune(LAST, now=NOW + timedelta(days=1000)).packs == 0


def test_a_failed_run_is_discarded_and_a_committed_one_is_not(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store)
    make(shard, tmp_path, 3)
    before = [info.name for info in store.list()]
    run_id = next_run()
    fail_halfway(store, tmp_path, run_id)

    assert shard.discard_run(run_id).packs == 3
    assert [info.name for info in store.list()] == before
    for backup_ in shard.catalog.backups():
        assert shard.discard_run(backup_.run_id).packs == 0
    # Pruned itself, but later backups still refer to its packs.
    first = shard.catalog.backup(1).run_id
    shard.prune(LAST, now=datetime.now(UTC))
    assert 1 not in [b.number for b in shard.catalog.backups()]
    left = [info.name for info in store.list()]
    assert any(first in name for name in left)
    assert shard.discard_run(first).packs == 0
    assert [info.name for info in store.list()] == left


def test_pruning_also_removes_what_killed_writers_have_left(tmp_path: Path) -> None:
    shard = open_shard(FileStore(tmp_path / "repository"))
    make(shard, tmp_path, 1)
    folder = tmp_path / "repository" / "commerce" / "-80" / "packs"
    old, young = folder / ".tidemark-tmp-1-old", folder / ".tidemark-tmp-1-young"
    for path in (old, young):
        path.write_bytes(b"half a pack")
    os.utime(old, (0, 0))

    shard.prune(LAST, now=datetime.now(UTC), dry_run=True)
    assert old.exists()
    shard.prune(LAST, now=datetime.now(UTC))

    assert not old.exists()
    assert young.exists()
