"""A repository: one store, one data key, the backups of many shards."""

from __future__ import annotations

import itertools

from tidemark.errors import ForeignRepository, KeyUnavailable, ObjectExists, ObjectMissing, RepositoryMissing
from tidemark.repository.keys import DataKey, MasterKey, unwrap, wrap
from tidemark.repository.mirror import Mirror, copy_keys
from tidemark.repository.names import KEYS
from tidemark.repository.shard import ShardRepository
from tidemark.storage import Store


class Repository:
    """An opened repository. Holds no state of its own: all of it is in the store."""

    def __init__(self, store: Store, key: DataKey) -> None:
        self._store = store
        self._key = key

    @classmethod
    def open(cls, store: Store, master_key: MasterKey, create: bool = False) -> Repository:
        """Opens what the store holds. ``create`` makes a repository of an empty store; of several that try at once
        with the same key all open the same one.

        Raises ``RepositoryMissing`` (empty, and not to be created), ``ForeignRepository`` (something else is there),
        ``KeyUnavailable`` (not opened by this key) or ``Damaged`` (the key object is not what was written).
        """
        name = f"{KEYS}{master_key.id}"
        content = _read(store, name)
        if content is None:
            _check_empty(store, master_key.id)
            if not create:
                raise RepositoryMissing(
                    f"there is no repository in {store.url} yet",
                    "the first backup makes one; or check [repository] url",
                )
            try:
                content = wrap(master_key, DataKey.generate())
                store.put_if_absent(name, [content])
            except ObjectExists:
                content = store.get(name)  # somebody with the same key was faster
            else:
                _check_alone(store, master_key.id)
        return cls(store, unwrap(master_key, content, name))

    @property
    def id(self) -> str:
        """32 hex digits that name the repository; not secret."""
        return self._key.repository.hex()

    def shard(self, name: str) -> ShardRepository:
        """The backups of ``keyspace/shard``."""
        return ShardRepository(self._store, self._key, name)

    def mirror(self, store: Store, name: str) -> Mirror:
        """The same shard's backups here and in another store."""
        return Mirror(self._store, store, self._key, name)

    def copy_keys(self, mirror: Store) -> None:
        """Makes the mirror's key objects those that are here, and a mirror of an empty store. Raises
        ``ForeignRepository`` when the store holds something else."""
        copy_keys(self._store, mirror)


def _read(store: Store, name: str) -> bytes | None:
    try:
        return store.get(name)
    except ObjectMissing:
        return None


def _key_ids(store: Store) -> list[str]:
    return [info.name.removeprefix(KEYS) for info in store.list(KEYS)]


def _check_empty(store: Store, key_id: str) -> None:
    """Without our key object the store must hold nothing: neither somebody else's keys nor anything else."""
    if known := _key_ids(store):
        raise _unknown_key(store, key_id, known)
    seen = [info.name for info in itertools.islice(store.list(), 4)]
    if seen:
        more = ", ..." if len(seen) > 3 else ""
        raise ForeignRepository(
            f"{store.url} is not a Tidemark repository: it has no {KEYS}, but {', '.join(seen[:3])}{more}",
            "name a folder of its own as [repository] url; if backups were there, bring keys/ back from a copy",
        )


def _check_alone(store: Store, key_id: str) -> None:
    """Two creators with different keys at the same moment would make two repositories in one place."""
    if others := [known for known in _key_ids(store) if known != key_id]:
        store.delete(f"{KEYS}{key_id}")
        raise _unknown_key(store, key_id, others)


def _unknown_key(store: Store, key_id: str, known: list[str]) -> KeyUnavailable:
    return KeyUnavailable(
        f"the repository {store.url} is not opened by the master key {key_id}; it knows {', '.join(sorted(known))}",
        "set [repository] key_file to the file of one of these keys",
    )
