"""A repository: one store, one data key, the backups of many shards."""

from __future__ import annotations

import itertools

from tidemark.errors import ForeignRepository, KeyUnavailable, ObjectExists, RepositoryMissing
from tidemark.repository.keys.keyring import Keyring, key_ids, not_opened, open_data_key, warn_of_old_key
from tidemark.repository.keys.keys import KEYS, DataKey, WrappingKey, unwrap, wrap
from tidemark.repository.mirror.mirror import Mirror, copy_keys
from tidemark.repository.shard import ShardRepository
from tidemark.storage import Store


class Repository:
    """An opened repository. Holds no state of its own: all of it is in the store."""

    def __init__(self, store: Store, key: DataKey) -> None:
        self._store = store
        self._key = key

    @classmethod
    def open(cls, store: Store, master_key: WrappingKey | Keyring, create: bool = False) -> Repository:
        """Opens what the store holds, with today's key or with an older one of the keyring. ``create`` makes a
        repository of an empty store, for today's key; of several that try at once with the same key all open the
        same one.

        Raises ``RepositoryMissing`` (empty, and not to be created), ``ForeignRepository`` (something else is there),
        ``KeyUnavailable`` (not opened by any of these keys), ``Damaged`` (the key object is not what was written) or
        ``StorageUnavailable`` (the store, or a key service, does not answer).
        """
        keyring = Keyring.of(master_key)
        opened = open_data_key(store, keyring)
        if opened.data is not None:
            warn_of_old_key(store, keyring, opened)
            return cls(store, opened.data)
        if any(opened.problems) or key_ids(store):
            raise not_opened(store, keyring, opened.problems)
        _check_empty(store)
        if not create:
            raise RepositoryMissing(
                f"there is no repository in {store.url} yet",
                "the first backup makes one; or check [repository] url",
            )
        return cls(store, _create(store, keyring))

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
        copy_keys(self._store, mirror, self.id)


def _create(store: Store, keyring: Keyring) -> DataKey:
    today = keyring.key()
    name = f"{KEYS}{today.id}"
    content = wrap(today, DataKey.generate())
    try:
        store.put_if_absent(name, [content])
    except ObjectExists:
        content = store.get(name)  # somebody with the same key was faster
    else:
        _check_alone(store, keyring)
    return unwrap(today, content, name)


def _check_empty(store: Store) -> None:
    """Without any key object the store must hold nothing."""
    seen = [info.name for info in itertools.islice(store.list(), 4)]
    if seen:
        more = ", ..." if len(seen) > 3 else ""
        raise ForeignRepository(
            f"{store.url} is not a Tidemark repository: it has no {KEYS}, but {', '.join(seen[:3])}{more}",
            "name a folder of its own as [repository] url; if backups were there, bring keys/ back from a copy",
        )


def _check_alone(store: Store, keyring: Keyring) -> None:
    """Two creators with different keys at the same moment would make two repositories in one place."""
    today = keyring.key().id
    if others := [known for known in key_ids(store) if known != today]:
        store.delete(f"{KEYS}{today}")
        raise KeyUnavailable(
            f"somebody else has made a repository in {store.url} at the same moment, with the master key "
            f"{', '.join(others)}; today's key is {today}",
            "give every node the same key",
        )
