"""Master keys, key objects, and opening a repository with them."""

from __future__ import annotations

import base64
import os
import stat
import threading
from pathlib import Path

import pytest

from tests.support.backups import WatchedStore
from tidemark.errors import Damaged, ForeignRepository, KeyUnavailable, RepositoryMissing
from tidemark.repository import MasterKey, Repository
from tidemark.repository.keys.keys import DataKey, unwrap, wrap
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit


def test_a_key_file_is_its_owners_alone_and_comes_back(tmp_path: Path) -> None:
    key = MasterKey.generate()

    key.write(tmp_path / "new" / "master.key")

    assert MasterKey.load(tmp_path / "new" / "master.key") == key
    assert stat.S_IMODE((tmp_path / "new" / "master.key").stat().st_mode) == 0o600
    assert (tmp_path / "new" / "master.key").read_text().startswith("tidemark-master-key-1:")


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    key = MasterKey(b"very secret bytes, 32 of them ok")

    assert "secret" not in repr(key)
    assert "secret" not in repr(DataKey(bytes(16), key.secret))
    assert len(key.id) == 16
    assert bytes.fromhex(key.id) not in key.secret


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    MasterKey.generate().write(path)
    before = path.read_bytes()

    with pytest.raises(KeyUnavailable, match="exists already"):
        MasterKey.generate().write(path)

    assert path.read_bytes() == before


def test_a_key_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(KeyUnavailable, match=r"file/master\.key cannot be written"):
        MasterKey.generate().write(tmp_path / "file" / "master.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_key_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master.key"
    MasterKey.generate().write(path)
    path.chmod(mode)

    with pytest.raises(KeyUnavailable, match=f"has mode {mode:04o}") as caught:
        MasterKey.load(path)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"secret-but-no-key\n",
        b"tidemark-master-key-1:\n",
        b"tidemark-master-key-1:???\n",
        b"tidemark-master-key-1:" + base64.b64encode(b"Secret" * 5) + b"\n",
        b"tidemark-master-key-2:" + base64.b64encode(bytes(32)) + b"\n",
        b"tidemark-master-key-1:" + base64.b64encode(bytes(32)) + b"\nand more\n",
        b"\xff\xfe" * 3000,
    ],
)
def test_what_is_no_key_file_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(KeyUnavailable) as caught:
        MasterKey.load(path)

    assert str(path) in caught.value.message
    assert "ecret" not in str(caught.value)
    assert caught.value.hint


def test_a_key_file_without_a_newline_is_one_too(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(b"tidemark-master-key-1:" + base64.b64encode(bytes(range(32))))
    path.chmod(0o600)

    assert MasterKey.load(path) == MasterKey(bytes(range(32)))


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="there is no master key") as caught:
        MasterKey.load(tmp_path / "master.key")
    assert "tidemark keys new" in caught.value.hint


def test_only_a_regular_file_is_a_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)

    for path in (tmp_path / "fifo", tmp_path, Path("/dev/null")):
        with pytest.raises(KeyUnavailable, match="is not a regular file"):
            MasterKey.load(path)


def test_several_master_keys_can_wrap_one_data_key() -> None:
    store, old, new = MemoryStore(), MasterKey.generate(), MasterKey.generate()
    first = Repository.open(store, old, create=True)
    data = unwrap(old, store.get(f"keys/{old.id}"), "keys/old")

    store.put(f"keys/{new.id}", [wrap(new, data)])

    assert Repository.open(store, new).id == Repository.open(store, old).id == first.id
    assert unwrap(new, store.get(f"keys/{new.id}"), "keys/new") == data


def test_every_purpose_and_every_place_has_a_key_of_its_own() -> None:
    data = DataKey.generate()
    keys = {
        data.digest_key("a/b"),
        data.digest_key("a/c"),
        data.manifest_key("a/b"),
        data.manifest_key("a/c"),
        data.frame_key("a/b", "run"),
        data.frame_key("a/b", "other"),
        data.frame_key("a/c", "run"),
        data.frame_key("a", "b/run"),
        DataKey(bytes(16), data.secret).digest_key("a/b"),
    }
    assert len(keys) == 9
    assert all(len(key) == 32 for key in keys)


def test_an_empty_place_is_no_repository_until_one_is_made() -> None:
    store, key = MemoryStore(), MasterKey.generate()

    with pytest.raises(RepositoryMissing, match="there is no repository in memory: yet"):
        Repository.open(store, key)
    assert list(store.list()) == []

    made = Repository.open(store, key, create=True)
    assert Repository.open(store, key).id == made.id
    assert [info.name for info in store.list()] == [f"keys/{key.id}"]


def test_a_place_that_holds_something_else_is_left_alone() -> None:
    store = MemoryStore()
    for name in ("photos/1.jpg", "photos/2.jpg", "thesis.tex", "zoo"):
        store.put(name, [b"precious"])

    for create in (False, True):
        with pytest.raises(ForeignRepository, match=r"photos/1.jpg, photos/2.jpg, thesis.tex, \.\.\.") as caught:
            Repository.open(store, MasterKey.generate(), create=create)
        assert caught.value.hint
        assert not isinstance(caught.value, RepositoryMissing)
    assert len(list(store.list())) == 4


def test_of_many_that_make_the_repository_at_once_all_open_the_same() -> None:
    store, key, start = MemoryStore(), MasterKey.generate(), threading.Barrier(8)
    opened: list[str] = []

    def make() -> None:
        start.wait()
        opened.append(Repository.open(store, key, create=True).id)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(opened) == 8
    assert len(set(opened)) == 1


def test_two_keys_never_make_two_repositories_in_one_place() -> None:
    inner, ours, theirs = MemoryStore(), MasterKey.generate(), MasterKey.generate()

    def meanwhile(what: str, name: str) -> None:
        if what == "put_if_absent" and name == f"keys/{ours.id}":
            Repository.open(inner, theirs, create=True)

    with pytest.raises(KeyUnavailable, match=theirs.id):
        Repository.open(WatchedStore(inner, meanwhile), ours, create=True)

    assert [info.name for info in inner.list()] == [f"keys/{theirs.id}"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"format": 1', b'"format": 2'),
        (b"AES-256-GCM", b"AES-128-GCM"),
        (b'"nonce": "', b'"nonce": "00'),
        (b'"created_at": "2', b'"created_at": "3'),
        (b"{", b"["),
        (b"\n}", b'\n, "more": 1}'),
        (b"  ", b" "),
    ],
)
def test_a_key_object_that_was_changed_is_damaged(old: bytes, new: bytes) -> None:
    key = MasterKey.generate()
    content = wrap(key, DataKey.generate())
    changed = content.replace(old, new) if old in content else content + b" "

    with pytest.raises(Damaged, match="keys/it"):
        unwrap(key, changed, "keys/it")
