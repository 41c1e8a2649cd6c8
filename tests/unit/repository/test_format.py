"""docs/format.md is true: the example in it is opened, and every derived value in it is derived again.

``python -m tests.unit.repository.test_format`` prints a new example: for a new version of the format, never to repair
an old one.
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from tests.support.backups import noise, open_shard, upload, write_folder
from tests.support.second_reader import Reader
from tidemark.repository import Facts, FolderOrigin, MasterKey, NewBackup, Repository, UploadOptions
from tidemark.repository.format.geometry import Geometry
from tidemark.repository.keys.keys import DataKey, derive, unwrap, wrap
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

DOCUMENT = Path(__file__).parents[3] / "docs" / "format.md"
SHARD = "commerce/-80"
RUN = "20261123T210713Z-1a2b3c4d"
CONTENT = b"abcdefghijklmnop" + bytes(16) + b"end"


def make_example() -> dict[str, Any]:
    master, data = MasterKey(bytes(range(32))), DataKey(bytes(range(64, 80)), bytes(range(32, 64)))
    store = MemoryStore()
    now = datetime(2026, 11, 23, 21, 7, 13, tzinfo=UTC)
    store.put(f"keys/{master.id}", [wrap(master, data, now)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "data")
        (folder / "db").mkdir(parents=True)
        (folder / "db" / "t").write_bytes(CONTENT)
        (folder / "db" / "t").chmod(0o640)
        (folder / "empty").touch(0o600)
        (folder / "db").chmod(0o750)
        facts = Facts("mysql", "9.7.4", "uuid:1-20", "uuid:1-23", now, None, "clone", {"innodb_page_size": "16384"})
        Repository.open(store, master).shard(SHARD).upload(
            FolderOrigin(folder, ["db/t", "empty"], ["db"]),
            NewBackup(facts, RUN, Path(name, "journal")),
            UploadOptions(geometry=Geometry(block_size=16)),
        )
    objects = {info.name: store.get(info.name) for info in store.list()}
    return {
        "master key": master.secret.hex(),
        "data key": data.secret.hex(),
        "digest key": data.digest_key(SHARD).hex(),
        "frame key": data.frame_key(SHARD, RUN).hex(),
        "manifest key": data.manifest_key(SHARD).hex(),
        "digests": [blake3(block, key=data.digest_key(SHARD)).hexdigest(16) for block in (CONTENT[:16], b"end")],
        "objects": {n: c.decode() if n.startswith("keys/") else c.hex() for n, c in objects.items()},
    }


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    text = DOCUMENT.read_text(encoding="utf-8").split("## Example")[1]
    found: dict[str, Any] = json.loads(text.split("```json\n")[1].split("```")[0])
    return found


@pytest.fixture
def store(example: dict[str, Any]) -> MemoryStore:
    store = MemoryStore()
    for name, content in example["objects"].items():
        store.put(name, [content.encode() if name.startswith("keys/") else bytes.fromhex(content)])
    return store


def test_the_documents_example_is_restored(example: dict[str, Any], store: MemoryStore, tmp_path: Path) -> None:
    shard = Repository.open(store, MasterKey(bytes.fromhex(example["master key"]))).shard(SHARD)
    (backup,) = shard.catalog.backups()

    shard.restore(backup, tmp_path / "out")

    assert (tmp_path / "out" / "db" / "t").read_bytes() == CONTENT
    assert (tmp_path / "out" / "empty").read_bytes() == b""
    assert (tmp_path / "out" / "db" / "t").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "out" / "db").stat().st_mode & 0o7777 == 0o750
    assert (backup.position, backup.first_backup, backup.blocks, backup.new_blocks) == ("uuid:1-23", "clone", 3, 2)


def test_the_documents_keys_are_derived_as_it_says(example: dict[str, Any], store: MemoryStore) -> None:
    master = MasterKey(bytes.fromhex(example["master key"]))
    name = f"keys/{master.id}"
    data = unwrap(master, store.get(name), name)

    assert data.secret.hex() == example["data key"]
    assert data.digest_key(SHARD).hex() == example["digest key"]
    assert data.frame_key(SHARD, RUN).hex() == example["frame key"]
    assert data.manifest_key(SHARD).hex() == example["manifest key"]
    assert [blake3(block, key=data.digest_key(SHARD)).hexdigest(16) for block in (CONTENT[:16], b"end")] == example[
        "digests"
    ]


def test_a_second_implementation_reads_the_documents_example(example: dict[str, Any], store: MemoryStore) -> None:
    objects = {info.name: store.get(info.name) for info in store.list()}

    reader = Reader(objects, bytes.fromhex(example["master key"]), SHARD)

    assert reader.files(1) == {"db/t": CONTENT, "empty": b""}


def test_a_second_implementation_reads_backups_that_refer_to_older_ones(tmp_path: Path) -> None:
    store = MemoryStore()
    shard = open_shard(store, MasterKey(bytes(32)))
    states = []
    for number in range(3):
        state = {
            "db/a": noise(1, 3000) + bytes(9000) + noise(number, 1234),
            "b": noise(number % 2, 20_000),
            "c": b"",
            "d": noise(7, 30_000),
        }
        write_folder(tmp_path / "data", state)
        upload(shard, tmp_path / "data")
        states.append(state)

    reader = Reader({info.name: store.get(info.name) for info in store.list()}, bytes(32), SHARD)

    assert [reader.files(number) for number in (1, 2, 3)] == states
    backup, body = reader.manifest(3)
    assert (backup["number"], backup["parent"]) == (3, 2)
    assert {shard.catalog.backup(1).run_id, backup["run_id"]} <= {pack["run_id"] for pack in body["packs"]}


def test_hkdf_is_the_standards() -> None:
    """RFC 5869 by hand: extract with zeros, expand in one step."""
    import hmac

    info = b"".join(len(p).to_bytes(2, "little") + p for p in (b"tidemark-1", b"digest", b"r", b"a/b"))
    extracted = hmac.digest(bytes(32), bytes(range(32)), "sha256")
    assert derive(bytes(range(32)), "digest", b"r", b"a/b") == hmac.digest(extracted, info + b"\1", "sha256")


if __name__ == "__main__":
    print(json.dumps(make_example(), indent=1))  # noqa: T201
