"""Manifests that a faulty or malicious writer with the right key could have made are refused, and why is said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tidemark.errors import Damaged
from tidemark.repository import Backup
from tidemark.repository.format.manifest import (
    Body,
    Directory,
    File,
    ManifestCodec,
    PackUse,
    is_safe_path,
    segment_counts,
)
from tidemark.repository.format.sealing import Compressor, decompress
from tidemark.repository.keys.keys import DataKey

pytestmark = pytest.mark.unit

CODEC = ManifestCodec(DataKey(bytes(16), bytes(32)), "a/b")
PACK = PackUse(run_id="run", number=0, size=1000, raw=2000, live=2000)


def backup(**changes: Any) -> Backup:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    values: dict[str, Any] = {
        "number": 7,
        "run_id": "run",
        "parent": 6,
        "parent_digest": "ab",
        "restored_from": None,
        "flavour": "mysql",
        "server_version": "9.7.4",
        "checkpoint": "",
        "position": "",
        "first_backup": None,
        "started_at": now,
        "finished_at": now,
        "bytes": 1,
        "stored_bytes": 2,
        "new_blocks": 3,
        "blocks": 4,
        "files": 5,
        "variables": {},
        "block_size": 16,
    }
    return Backup(**(values | changes))


def file(
    path: str = "t", length: int = 16, map: tuple[tuple[int, int, int, int, int], ...] = ((0, 0, 0, 50, 60),)
) -> File:
    return File(path=path, mode=0o600, length=length, map=map)


def body(*files: File, packs: tuple[PackUse, ...] = (PACK,), directories: tuple[str, ...] = ()) -> Body:
    folders = tuple(Directory(path=path, mode=0o700) for path in directories)
    return Body(segment_blocks=4, packs=packs, files=files, directories=folders)


def encode(content: Body, facts: Backup | None = None) -> bytes:
    facts = facts or backup()
    return CODEC.encode(facts, *CODEC.encode_body(facts.number, content))


WHOLE = encode(body(file()))


def test_a_manifest_comes_back() -> None:
    content = body(file(), file("db/ü", 0, ()), directories=("db", "none"))

    manifest = CODEC.decode(7, encode(content))

    assert manifest.body == content
    assert manifest.backup == backup(digest=manifest.backup.digest)
    assert len(manifest.backup.digest) == 64


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (body(file("../t")), "leads out"),
        (body(file("/etc/passwd")), "leads out"),
        (body(file("a/../../t")), "leads out"),
        (body(file("a//t")), "leads out"),
        (body(file("t\0")), "leads out"),
        (body(file("")), "leads out"),
        (body(directories=("..",)), "leads out"),
        (body(file("t"), file("t")), "twice"),
        (body(file("t"), directories=("t",)), "twice"),
        (body(file("t"), file("t/inside")), "below a file"),
        (body(file("t"), directories=("t/x/y",)), "below a file"),
        (body(file(map=())), "does not fit its length"),
        (body(file(length=64 + 1)), "does not fit its length"),
        (body(file(length=0)), "does not fit its length"),
        (body(file(map=((1, 0, 0, 50, 60),))), "beyond the packs"),
        (body(file(map=((0, 0, 990, 50, 60),))), "beyond the packs"),
        (body(file(map=((0, 0, 0, 50, 5 << 20),))), "impossible lengths"),
        (body(file(map=((0, 0, 0, 900, 1),))), "impossible lengths"),
        (body(packs=(PACK, PACK)), "a pack twice"),
        (body(packs=(PACK.model_copy(update={"run_id": "../x"}),)), "not a run"),
    ],
)
def test_a_manifest_that_would_lead_a_restore_astray_is_damaged(content: Body, reason: str) -> None:
    with pytest.raises(Damaged, match=f"a/b/backups/000000000007.*{reason}"):
        CODEC.decode(7, encode(content))


def test_a_manifest_under_another_number_is_damaged() -> None:
    with pytest.raises(Damaged, match="seal"):
        CODEC.decode(8, encode(body()))


def test_another_version_says_that_a_newer_program_may_have_written_it() -> None:
    content = bytearray(encode(body()))
    content[8] = 2
    with pytest.raises(Damaged, match="has the format 2, this Tidemark reads 1") as caught:
        CODEC.decode(7, bytes(content))
    assert "newer" in caught.value.hint


def test_a_head_longer_than_what_listings_read_is_read_again() -> None:
    long = backup(position=blake3(b"x").digest(length=30_000).hex())
    content = encode(body(), long)
    length = CODEC.head_length(7, content[:8192], len(content))

    assert length > 8192
    with pytest.raises(Damaged, match="cut off"):
        CODEC.decode_head(7, content[:8192], len(content))
    assert CODEC.decode_head(7, content[:length], len(content)).position == long.position


@given(st.data())
def test_whatever_is_there_instead_of_a_manifest_is_damaged(data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    if bytes(content) != WHOLE:
        with pytest.raises(Damaged, match="a/b/backups/000000000007"):
            CODEC.decode(7, bytes(content))


def test_content_that_claims_to_be_huge_makes_no_room() -> None:
    bomb = Compressor(1).compress(bytes(100 << 20))
    with pytest.raises(Damaged, match=f"says it holds {100 << 20} bytes instead of 10"):
        decompress(bomb, 10, "it")
    with pytest.raises(Damaged, match="cannot be decompressed"):
        decompress(b"no zstd frame at all", 10, "it")
    with pytest.raises(Damaged, match="it"):
        decompress(Compressor(1).compress(b"0123456789") + b"more", 10, "it")


@given(st.integers(0, 10**7), st.sampled_from([16, 512, 65536]), st.integers(1, 64))
def test_segments_cover_exactly_the_blocks(length: int, block_size: int, segment_blocks: int) -> None:
    counts = segment_counts(length, block_size, segment_blocks)

    assert sum(counts) == -(-length // block_size)
    assert all(count == segment_blocks for count in counts[:-1])
    assert all(0 < count <= segment_blocks for count in counts)


@pytest.mark.parametrize("path", ["a", "a/b", "...", "..a/.b", "a b/#x", "ü"])
def test_paths_below_the_folder_are_safe(path: str) -> None:
    assert is_safe_path(path)
