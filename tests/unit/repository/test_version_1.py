"""A repository that version 1 of the format wrote, before there was a version 2, opens and goes on.

``tests/data/repository-v1`` was made by Tidemark at commit 2d5db1f and is never made anew: three backups of a folder
under the master key of bytes 0 to 31, and the digest of every file of each.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from blake3 import blake3

from tests.support.backups import facts, next_run, noise, read_folder, upload, write_folder
from tests.support.second_reader import Reader
from tidemark.errors import Damaged
from tidemark.repository import MasterKey, Mirror, Repository, RetentionPolicy, ShardRepository, SourceIdentity
from tidemark.storage import FileStore, MemoryStore

pytestmark = pytest.mark.unit

KEPT = Path(__file__).parents[2] / "data" / "repository-v1"
SHARD = "commerce/-80"
KEY = MasterKey(bytes(range(32)))
FILES: dict[int, dict[str, str]] = {
    int(number): files for number, files in json.loads((KEPT / "files.json").read_text()).items()
}


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    shutil.copytree(KEPT / "repository", tmp_path / "repository")
    return FileStore(tmp_path / "repository")


@pytest.fixture
def shard(store: FileStore) -> ShardRepository:
    return Repository.open(store, KEY).shard(SHARD)


def digests(folder: Path) -> dict[str, str]:
    return {path: blake3(content).hexdigest() for path, content in read_folder(folder).items()}


def restored(shard: ShardRepository, number: int, folder: Path) -> dict[str, str]:
    shard.restore(shard.catalog.backup(number), folder)
    return digests(folder)


def versions(store: FileStore) -> list[int]:
    return [int.from_bytes(store.get(info.name, 8, 4), "little") for info in store.list(f"{SHARD}/backups/")]


def test_its_backups_are_listed_verified_and_restored(shard: ShardRepository, store: FileStore, tmp_path: Path) -> None:
    backups = shard.catalog.backups()

    assert versions(store) == [1, 1, 1]
    assert [(backup.number, backup.parent, backup.restored_from) for backup in backups] == [
        (1, None, None),
        (2, 1, 1),
        (3, 2, 2),
    ]
    assert {backup.engine for backup in backups} == {"physical"}
    assert {backup.source for backup in backups} == {None}
    for backup in backups:
        assert shard.verify(backup).damages == 0
        assert restored(shard, backup.number, tmp_path / str(backup.number)) == FILES[backup.number]
    assert (tmp_path / "3" / "empty_schema").is_dir()


def test_the_next_backup_stands_on_it(shard: ShardRepository, store: FileStore, tmp_path: Path) -> None:
    shard.restore(shard.catalog.backup(3), tmp_path / "data")
    state = read_folder(tmp_path / "data") | {"ibdata1": noise("new", 5000)}
    write_folder(tmp_path / "data", state)

    source = SourceIdentity(server="7", log="bin.000001")
    made = upload(shard, tmp_path / "data", run_id=next_run(24), facts=facts(restored_from=3, source=source))

    assert versions(store) == [1, 1, 1, 2]
    assert [(backup.number, backup.engine, backup.source) for backup in shard.catalog.backups()[2:]] == [
        (3, "physical", None),
        (4, "physical", source),
    ]
    assert (made.parent, made.parent_digest) == (3, shard.catalog.backup(3).digest)
    assert made.stored_bytes < 12_000, "what has not changed is referred to"
    assert restored(shard, 4, tmp_path / "4") == {path: blake3(content).hexdigest() for path, content in state.items()}
    old = Reader({info.name: store.get(info.name) for info in store.list()}, KEY.secret, SHARD)
    assert old.files(4) == state
    assert {path: blake3(content).hexdigest() for path, content in old.files(1).items()} == FILES[1]


def test_a_new_backup_on_another_one_than_it_names_is_damaged(
    shard: ShardRepository, store: FileStore, tmp_path: Path
) -> None:
    shard.restore(shard.catalog.backup(3), tmp_path / "data")
    upload(shard, tmp_path / "data", run_id=next_run(24))
    store.put(f"{SHARD}/backups/{3:012d}", [store.get(f"{SHARD}/backups/{2:012d}")])

    with pytest.raises(Damaged, match="backups/000000000003"):
        shard.catalog.backups()


def test_it_is_pruned_and_mirrored(shard: ShardRepository, store: FileStore, tmp_path: Path) -> None:
    shard.restore(shard.catalog.backup(3), tmp_path / "data")
    upload(shard, tmp_path / "data", run_id=next_run(24), facts=facts(restored_from=3))
    mirror = MemoryStore()
    repository = Repository.open(store, KEY)
    repository.copy_keys(mirror)
    copies: Mirror = repository.mirror(mirror, SHARD)
    assert copies.bring_level().numbers == (1, 2, 3, 4)
    assert restored(Repository.open(mirror, KEY).shard(SHARD), 2, tmp_path / "copy") == FILES[2]

    gone = shard.prune(RetentionPolicy(keep_last=1), now=datetime(2027, 1, 1, tzinfo=UTC))

    assert 1 in gone.numbers
    assert restored(shard, 3, tmp_path / "3") == FILES[3]


def test_objects_of_logs_are_left_alone(shard: ShardRepository, store: FileStore, tmp_path: Path) -> None:
    """Their names are kept free: what a later version stores there is no rubbish to this one."""
    name = f"{SHARD}/logs/20261123T210713Z-0000000a/000000000000"
    store.put(name, [b"of a later version"])
    shard.restore(shard.catalog.backup(3), tmp_path / "data")

    upload(shard, tmp_path / "data", run_id=next_run(24), facts=facts(restored_from=3))
    shard.prune(RetentionPolicy(keep_last=1), now=datetime(2027, 1, 1, tzinfo=UTC))
    shard.discard_run("20261123T210713Z-0000000a")

    assert shard.verify(shard.catalog.backup(4)).damages == 0
    assert store.get(name) == b"of a later version"
