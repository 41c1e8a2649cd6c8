"""Manifests that a faulty or malicious writer with the right key could have made are refused, and why is said."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from tidemark.errors import Damaged, NewerFormat
from tidemark.repository import Backup, Inventory, InventoryTable, InventoryTablespace, SourceIdentity
from tidemark.repository.format.manifest import (
    Body,
    Directory,
    File,
    ManifestCodec,
    PackUse,
    is_safe_path,
    segment_counts,
)
from tidemark.repository.format.sealing import Compressor, Kind, decompress, manifest_aad, seal, unseal
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


def reseal(
    version: int = 2, head: dict[str, Any] | None = None, body: dict[str, Any] | None = None, **backup: Any
) -> bytes:
    """A manifest as another program may write it: fields are added, or replaced; ``None`` takes one away."""
    plain_body = json.loads(CODEC._open(7, WHOLE)[1]) | (body or {})
    content = json.dumps(plain_body).encode()
    aad = manifest_aad(CODEC._repository, "a/b", 7, Kind.BODY)
    sealed_body = seal(CODEC._key, Compressor(3).compress(content), aad)
    end, raw_head, _ = CODEC._header(7, WHOLE, len(WHOLE))
    old = manifest_aad(CODEC._repository, "a/b", 7, Kind.HEAD, WHOLE[:52])
    plain = json.loads(decompress(unseal(CODEC._key, WHOLE[52:end], old, "it"), raw_head, "it"))
    plain |= {"body": blake3(sealed_body).hexdigest()} | (head or {})
    plain = {name: value for name, value in plain.items() if value is not None}
    plain["backup"] = {name: value for name, value in (plain["backup"] | backup).items() if value != "gone"}
    text = json.dumps(plain).encode()
    compressed = Compressor(3).compress(text)
    sizes = (28 + len(compressed), len(text), len(sealed_body), len(content))
    header = struct.pack("<8sI16sIIQQ", b"TIDEMARK", version, CODEC._repository, *sizes)
    aad = manifest_aad(CODEC._repository, "a/b", 7, Kind.HEAD, header)
    return header + seal(CODEC._key, compressed, aad) + sealed_body


def test_a_version_that_is_not_known_is_a_newer_programs_and_no_damage() -> None:
    with pytest.raises(NewerFormat, match="has the format 3, this Tidemark reads 1, 2") as caught:
        CODEC.decode(7, reseal(version=3))
    assert "newer" in caught.value.hint
    assert not isinstance(caught.value, Damaged), "damaged backups are passed over, and their numbers used again"


@pytest.mark.parametrize("version", [0, 1, 3, 0x80000002])
def test_a_version_whose_bits_were_lost_is_damage(version: int) -> None:
    content = bytearray(WHOLE)
    content[8:12] = version.to_bytes(4, "little")

    with pytest.raises(Damaged, match="a/b/backups/000000000007"):
        CODEC.decode(7, bytes(content))


def test_what_a_reader_must_know_and_does_not_is_named() -> None:
    content = reseal(head={"requires": ["holes as ranges", "engine logical"]}, engine="logical")

    with pytest.raises(NewerFormat, match="one must know engine logical, holes as ranges") as caught:
        CODEC.decode(7, content)
    assert "newer" in caught.value.hint
    with pytest.raises(NewerFormat):
        CODEC.decode_packs(7, content)


def test_a_backup_of_another_engine_requires_that_it_is_known() -> None:
    with pytest.raises(NewerFormat, match="engine logical"):
        CODEC.decode(7, encode(body(), backup(engine="logical")))


def test_fields_that_a_later_version_may_add_are_let_pass() -> None:
    file = {"path": "t", "mode": 0o600, "length": 0, "map": [], "checksum": "new"}
    content = reseal(
        head={"signature": "new"},
        body={"files": [file], "indexes": ["new"], "inventory": {"schemas": ["shop"], "users": ["new"]}},
        colour="new",
        source={"server": "7", "hostname": "new"},
    )

    manifest = CODEC.decode(7, content)

    assert [file.path for file in manifest.body.files] == ["t"]
    assert manifest.body.inventory == Inventory(schemas=("shop",))
    assert manifest.backup.source == SourceIdentity(server="7")
    assert manifest.backup.engine == "physical"


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"number": "7"}, "number"),
        ({"engine": 1}, "engine"),
        ({"flavour": "gone"}, "flavour"),
        ({"source": {}}, "source.server"),
        ({"source": {"server": "7", "log_bytes": -1}}, "source.log_bytes"),
    ],
)
def test_fields_that_are_known_hold_what_they_must(changed: dict[str, Any], where: str) -> None:
    with pytest.raises(Damaged, match=where):
        CODEC.decode(7, reseal(**changed))


def test_a_manifest_of_version_1_is_read() -> None:
    content = reseal(version=1, head={"requires": None}, engine="gone", source="gone", body={})

    manifest = CODEC.decode(7, content)

    assert manifest.backup == backup(digest=manifest.backup.digest)
    assert (manifest.backup.engine, manifest.backup.source, manifest.body.inventory) == ("physical", None, None)


def test_what_identifies_the_source_and_what_the_server_has_come_back() -> None:
    source = SourceIdentity(
        server="3e11fa47-71ca-11e1-9e33-c80aa9429562",
        log="binlog.000042",
        log_bytes=1234,
        log_begun_at=datetime(2026, 11, 22, tzinfo=UTC),
        last_transaction="3e11fa47-71ca-11e1-9e33-c80aa9429562:20",
        last_committed_at=datetime(2026, 11, 22, 23, 59, 59, 123456, tzinfo=UTC),
    )
    inventory = Inventory(
        schemas=("shop", "ü"),
        tables=(InventoryTable(schema_name="shop", name="orders", engine="InnoDB", row_format="Dynamic"),),
        tablespaces=(InventoryTablespace(name="shop/orders", files=("shop/orders.ibd",)),),
        counts={"accounts": 7, "events": 0},
    )
    content = encode(body(file()).model_copy(update={"inventory": inventory}), backup(source=source))

    manifest = CODEC.decode(7, content)

    assert manifest.backup.source == source
    assert manifest.body.inventory == inventory
    assert CODEC.decode_head(7, content, len(content)).source == source, "a listing shows it"


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
        with pytest.raises((Damaged, NewerFormat), match="a/b/backups/000000000007") as caught:
            CODEC.decode(7, bytes(content))
        assert isinstance(caught.value, Damaged) or content[8:12] != WHOLE[8:12]


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
