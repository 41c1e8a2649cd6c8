"""Several keys, changing today's, and retiring one: nothing that is done or interrupted can shut the backups."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.support.backups import WatchedStore
from tidemark.errors import Damaged, KeyUnavailable, RepositoryMissing, StorageUnavailable
from tidemark.repository import Keyring, KeySource, KnownKey, MasterKey, Repository, list_keys, retire, rotate
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

OLD, NEW, OTHER = (MasterKey(bytes([n]) * 32) for n in (1, 2, 3))


def ring(*keys: MasterKey) -> Keyring:
    return Keyring([KeySource(f"key {key.id}", lambda key=key: key) for key in keys])  # type: ignore[misc]


def name(key: MasterKey) -> str:
    return f"keys/{key.id}"


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    Repository.open(store, OLD, create=True)
    return store


def test_a_key_comes_from_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_TEST_KEY", NEW.line)
    assert KeySource.environment("TIDEMARK_TEST_KEY").load() == NEW

    for value in ("", "tidemark-master-key-1:c2VjcmV0", "c2VjcmV0"):
        monkeypatch.setenv("TIDEMARK_TEST_KEY", value)
        with pytest.raises(KeyUnavailable, match="TIDEMARK_TEST_KEY") as caught:
            KeySource.environment("TIDEMARK_TEST_KEY").load()
        assert "c2Vj" not in str(caught.value)


def test_an_older_key_opens_what_todays_does_not_open_yet(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        opened = Repository.open(store, ring(NEW, OLD))

    assert opened.id == Repository.open(store, OLD).id
    assert "not by today's key" in caplog.text
    assert "tidemark keys rotate" in caplog.text


def test_todays_key_is_asked_first_and_the_others_only_when_needed(store: MemoryStore) -> None:
    def never() -> MasterKey:
        raise AssertionError("loaded without need")

    Repository.open(store, Keyring([KeySource("today's", lambda: OLD), KeySource("old", never)]))


def test_a_key_file_that_is_gone_does_not_shut_out_the_other(store: MemoryStore, tmp_path: Path) -> None:
    keys = Keyring([KeySource.file(tmp_path / "gone"), KeySource("old", lambda: OLD)])

    assert Repository.open(store, keys).id == Repository.open(store, OLD).id
    with pytest.raises(KeyUnavailable, match="there is no master key"):
        rotate(store, keys)


def test_when_no_key_opens_every_reason_is_given(store: MemoryStore, tmp_path: Path) -> None:
    keys = Keyring([KeySource.file(tmp_path / "gone"), *ring(NEW, OTHER).sources])

    with pytest.raises(KeyUnavailable) as caught:
        Repository.open(store, keys)

    for said in (str(tmp_path / "gone"), "there is no master key", NEW.id, OTHER.id, f"knows {OLD.id}"):
        assert said in caught.value.message
    assert "are the backups: nothing else opens them" in caught.value.hint


def test_a_lost_key_is_said_plainly(store: MemoryStore) -> None:
    with pytest.raises(KeyUnavailable) as caught:
        Repository.open(store, NEW)

    assert f"is not opened by the master key {NEW.id}; it knows {OLD.id}" in caught.value.message
    assert "if every one of these keys is lost, so are the backups" in caught.value.hint


def test_a_key_service_that_does_not_answer_is_worth_a_retry(store: MemoryStore) -> None:
    def away() -> MasterKey:
        raise StorageUnavailable("KMS does not answer")

    with pytest.raises(StorageUnavailable, match=r"KMS does not answer\n.*" + NEW.id):
        Repository.open(store, Keyring([KeySource("kms", away), *ring(NEW).sources]))
    assert Repository.open(store, Keyring([KeySource("kms", away), *ring(OLD).sources]))


def test_a_repository_is_made_for_todays_key_only() -> None:
    store = MemoryStore()
    with pytest.raises(RepositoryMissing):
        Repository.open(store, ring(NEW, OLD))

    Repository.open(store, ring(NEW, OLD), create=True)

    assert [info.name for info in store.list()] == [name(NEW)]


def test_rotation_writes_one_object_and_both_keys_open_until_the_old_one_is_retired(store: MemoryStore) -> None:
    before, first = store.get(name(OLD)), Repository.open(store, OLD).id

    done = rotate(store, ring(NEW, OLD))

    assert (done.key_id, done.written, done.others) == (NEW.id, True, (OLD.id,))
    assert store.get(name(OLD)) == before
    assert Repository.open(store, NEW).id == Repository.open(store, OLD).id == first
    again = rotate(store, ring(NEW))
    assert (again.written, again.others) == (False, (OLD.id,))

    retire(store, ring(NEW), OLD.id)

    assert Repository.open(store, NEW).id == first
    with pytest.raises(KeyUnavailable, match=OLD.id):
        Repository.open(store, OLD)


@pytest.mark.parametrize("fail_at", range(1, 12))
def test_an_interrupted_rotation_and_retirement_shuts_nobody_out_and_can_be_asked_again(
    store: MemoryStore, fail_at: int
) -> None:
    data, calls = Repository.open(store, OLD).id, 0

    class Dying(WatchedStore):
        def delete(self, name: str) -> None:
            self.before("delete", name)
            super().delete(name)

    def count(what: str, name: str) -> None:
        nonlocal calls
        calls += 1
        if calls == fail_at:
            raise KeyboardInterrupt

    dying = Dying(store, count)
    try:
        rotate(dying, ring(NEW, OLD))
        retire(dying, ring(NEW), OLD.id)
    except KeyboardInterrupt:
        assert Repository.open(store, ring(NEW, OLD)).id == data
    rotate(store, ring(NEW, OLD))
    if OLD.id in [key.id for key in list_keys(store, ring(NEW))]:
        retire(store, ring(NEW), OLD.id)
    assert [info.name for info in store.list()] == [name(NEW)]
    assert Repository.open(store, NEW).id == data


def test_two_nodes_that_rotate_at_once_agree(store: MemoryStore) -> None:
    def meanwhile(what: str, asked: str) -> None:
        if what == "put_if_absent":
            rotate(store, ring(NEW, OLD))

    done = rotate(WatchedStore(store, meanwhile), ring(NEW, OLD))

    assert done.key_id == NEW.id
    assert Repository.open(store, NEW).id == Repository.open(store, OLD).id


def test_rotation_mends_a_damaged_object_of_todays_key(store: MemoryStore) -> None:
    rotate(store, ring(NEW, OLD))
    content = store.get(name(NEW))
    store.put(name(NEW), [content[:-9]])
    with pytest.raises(Damaged, match=NEW.id):
        Repository.open(store, NEW)

    assert rotate(store, ring(NEW, OLD)).written

    assert Repository.open(store, NEW).id == Repository.open(store, OLD).id


def test_todays_key_must_not_open_another_repository_than_the_old_one(store: MemoryStore) -> None:
    elsewhere = MemoryStore()
    Repository.open(elsewhere, NEW, create=True)

    def meanwhile(what: str, asked: str) -> None:
        if what == "put_if_absent":
            store.put(name(NEW), [elsewhere.get(name(NEW))])

    with pytest.raises(Damaged, match=f"{NEW.id} does not hold the data key"):
        rotate(WatchedStore(store, meanwhile), ring(NEW, OLD))


def test_only_a_key_that_is_not_needed_can_be_retired(store: MemoryStore) -> None:
    with pytest.raises(KeyUnavailable, match="is today's key"):
        retire(store, ring(OLD), OLD.id)
    with pytest.raises(KeyUnavailable, match="does not open the repository memory: yet"):
        retire(store, ring(NEW, OLD), OLD.id)
    with pytest.raises(KeyUnavailable, match=f"knows no key 'nobody'; it knows {OLD.id}"):
        retire(store, ring(OLD), "nobody")
    rotate(store, ring(NEW, OLD))
    content = store.get(name(NEW))
    store.put(name(NEW), [content.replace(b'"wrapped": "', b'"wrapped": "0')])
    with pytest.raises(Damaged, match=NEW.id):
        retire(store, ring(NEW, OLD), OLD.id)

    assert Repository.open(store, OLD)


def test_two_that_retire_each_others_key_at_once_do_not_leave_none(store: MemoryStore) -> None:
    rotate(store, ring(NEW, OLD))

    class Racing(WatchedStore):
        def delete(self, asked: str) -> None:
            store.delete(name(NEW))  # the other one deletes ours in the same moment
            super().delete(asked)

    retire(Racing(store, lambda what, asked: None), ring(NEW), OLD.id)

    assert Repository.open(store, NEW)


def test_the_list_tells_what_each_key_is_good_for(store: MemoryStore, tmp_path: Path) -> None:
    rotate(store, ring(OTHER, OLD))
    keys = Keyring([*ring(NEW, OLD).sources, KeySource.file(tmp_path / "gone")])

    listed = list_keys(store, keys)

    assert [(key.id, key.today, key.opens) for key in listed] == [
        (NEW.id, True, False),
        (OLD.id, False, True),
        ("", False, False),
        (OTHER.id, False, False),
    ]
    assert "does not know it; `tidemark keys rotate`" in listed[0].problem
    assert (listed[1].algorithm, listed[1].problem) == ("AES-256-GCM", "")
    assert listed[1].created_at.endswith("Z")
    assert "there is no master key" in listed[2].problem
    assert listed[3].problem == "it is not configured here"
    assert isinstance(listed[3], KnownKey)
