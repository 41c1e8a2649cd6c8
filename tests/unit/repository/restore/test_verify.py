"""Verify finds and names every damage that a restore would stumble over, and goes on after the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.backups import noise, open_shard, upload, write_folder
from tidemark.errors import Damaged
from tidemark.repository import Inspected
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

CONTENT = {"db/t.ibd": noise(1, 30_000) + bytes(9000) + noise(2, 100), "ibdata1": noise(3, 9000), "empty": b""}


class Eyes:
    """Notes what it is shown; takes a block with this content for a bad one."""

    def __init__(self, bad: bytes = b"not to be found") -> None:
        self.bad = bad
        self.seen: dict[str, bytearray] = {}
        self.starts: set[bytes] = set()

    def wants(self, path: str) -> bool:
        return path.endswith(".ibd")

    def inspect(self, path: str, start: bytes | memoryview, offset: int, content: memoryview) -> Inspected:
        held = self.seen.setdefault(path, bytearray(len(CONTENT["db/t.ibd"])))
        held[offset : offset + len(content)] = content
        self.starts.add(bytes(start))
        found = bytes(content).find(self.bad)
        return Inspected(pages=1, bad=(f"{path}, page {offset + found}: bad",) if found >= 0 else ())


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    store = MemoryStore()
    write_folder(tmp_path / "data", CONTENT)
    upload(open_shard(store), tmp_path / "data")
    return store


@pytest.mark.parametrize("threads", [1, 3])
def test_a_sound_backup_is_read_whole_and_shown_to_the_inspector(store: MemoryStore, threads: int) -> None:
    shard, eyes = open_shard(store), Eyes()

    found = shard.verify(shard.catalog.backup(1), threads=threads, inspector=eyes)

    assert (found.damages, found.named) == (0, ())
    assert found.bytes == sum(map(len, CONTENT.values()))
    assert found.pages > 0
    assert eyes.seen == {"db/t.ibd": CONTENT["db/t.ibd"]}
    assert eyes.starts == {CONTENT["db/t.ibd"][:512]}


def test_all_damaged_packs_are_named_not_only_the_first(store: MemoryStore) -> None:
    packs = [info.name for info in store.list() if "/packs/" in info.name]
    assert len(packs) > 3
    for name in packs:
        content = bytearray(store.get(name))
        content[len(content) // 2] ^= 1
        store.put(name, [content])
    shard = open_shard(store)

    found = shard.verify(shard.catalog.backup(1))

    maps = [name for name in packs if any(name in message for message in found.named)]
    assert found.damages == len(found.named) >= 1
    assert maps, found.named


def test_every_data_pack_that_is_missing_is_named(store: MemoryStore) -> None:
    shard = open_shard(store)
    manifest = shard.catalog.manifest(shard.catalog.backup(1))
    maps = {segment.pack for file in manifest.body.files for segment in manifest.body.segments(file)}
    data = [pack.name for pack in manifest.body.packs if pack.name not in maps]
    assert len(data) > 2
    names = [f"commerce/-80/packs/{name.run_id}/{name.number:012d}" for name in data]
    for name in names:
        store.delete(name)

    found = shard.verify(shard.catalog.backup(1))

    assert found.bytes < 9100  # holes
    for name in names:
        assert any(name in message for message in found.named), name


def test_a_sample_reads_less_and_other_blocks_each_time(store: MemoryStore) -> None:
    shard = open_shard(store)
    whole = shard.verify(shard.catalog.backup(1))

    some = [shard.verify(shard.catalog.backup(1), sample=0.3) for _ in range(8)]

    assert all(found.damages == 0 for found in some)
    assert len({found.bytes for found in some}) > 1
    assert sum(found.bytes for found in some) / 8 < whole.bytes * 0.8


def test_a_bad_page_that_was_stored_so_is_named_by_its_file(store: MemoryStore) -> None:
    shard = open_shard(store)

    found = shard.verify(shard.catalog.backup(1), inspector=Eyes(bad=CONTENT["db/t.ibd"][20_000:20_010]))

    assert len(found.named) == 1
    assert "backup 1: db/t.ibd, page " in found.named[0]


def test_an_upload_does_not_commit_a_bad_page_but_trusts_what_it_has_stored_before(
    store: MemoryStore, tmp_path: Path
) -> None:
    shard = open_shard(store)
    data = tmp_path / "data"
    old = CONTENT["db/t.ibd"][20_000:20_010]
    second = upload(shard, data, inspector=Eyes(bad=old))
    assert second.new_blocks == 0

    write_folder(data, CONTENT | {"db/t.ibd": CONTENT["db/t.ibd"][:-50] + b"SPOILT" + bytes(44)})
    with pytest.raises(Damaged, match=r"db/t\.ibd is damaged: db/t\.ibd, page \d+: bad"):
        upload(shard, data, inspector=Eyes(bad=b"SPOILT"))

    newest = shard.catalog.newest()
    assert newest is not None
    assert newest.number == 2
