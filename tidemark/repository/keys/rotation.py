"""Changing the master key: small key objects are written and deleted, the backups stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

from tidemark.errors import Damaged, KeyUnavailable, ObjectExists, ObjectMissing, TidemarkError
from tidemark.repository.keys.keyring import Keyring, key_ids, not_opened, open_data_key
from tidemark.repository.keys.keys import KEYS, DataKey, KeyObject, WrappingKey, unwrap, wrap
from tidemark.storage import Store


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A master key: one that the repository knows, one that is configured, or both."""

    id: str
    """The key's id; empty for a configured key that cannot be had."""
    algorithm: str = ""
    """How it wraps, as its object says; empty without an object."""
    created_at: str = ""
    """When its object was written, UTC; empty without one."""
    where: str = ""
    """Where it is configured; empty when it is not."""
    today: bool = False
    """Whether it is today's key: the one that is configured first."""
    opens: bool = False
    """Whether it opens the repository."""
    problem: str = ""
    """Why it does not."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation has done."""

    key_id: str
    """Today's key, which opens the repository now."""
    written: bool
    """Whether its object was written; False when it was there already."""
    others: tuple[str, ...]
    """Other keys that open the repository until they are retired."""


def list_keys(store: Store, keyring: Keyring) -> list[KnownKey]:
    """The configured keys in their order, then those that only the repository knows."""
    known = key_ids(store)
    found = [_configured(store, keyring, index, known) for index in range(len(keyring.sources))]
    ids = {key.id for key in found}
    return found + [_unconfigured(store, key_id) for key_id in known if key_id not in ids]


def _configured(store: Store, keyring: Keyring, index: int, known: list[str]) -> KnownKey:
    where, today = keyring.sources[index].where, index == 0
    try:
        key = keyring.key(index)
    except TidemarkError as error:
        return KnownKey("", where=where, today=today, problem=str(error))
    if key.id not in known:
        hint = "; `tidemark keys rotate` makes it known" if today else ""
        return KnownKey(key.id, where=where, today=today, problem=f"the repository does not know it{hint}")
    name = f"{KEYS}{key.id}"
    content = store.get(name)
    try:
        unwrap(key, content, name)
        parsed = KeyObject.parse(content, name)
    except TidemarkError as error:
        return KnownKey(key.id, key.algorithm, where=where, today=today, problem=str(error))
    return KnownKey(key.id, parsed.algorithm, parsed.created_at, where, today, opens=True)


def _unconfigured(store: Store, key_id: str) -> KnownKey:
    name = f"{KEYS}{key_id}"
    try:
        parsed = KeyObject.parse(store.get(name), name)
    except Damaged as error:
        return KnownKey(key_id, problem=str(error))
    where = f"; AWS KMS calls it {parsed.service_key}" if parsed.service_key else ""
    return KnownKey(key_id, parsed.algorithm, parsed.created_at, problem=f"it is not configured here{where}")


def rotate(store: Store, keyring: Keyring) -> Rotated:
    """Makes today's key open the repository. The other keys' objects stay. May be interrupted and asked again at any
    point: the object is written as a whole or not at all, and the rest is reading.

    Raises ``KeyUnavailable`` when today's key cannot be had or no configured key opens the repository.
    """
    today = keyring.key()
    opened = open_data_key(store, keyring)
    if opened.data is None:
        raise not_opened(store, keyring, opened.problems)
    written = opened.index != 0
    if written:
        _write(store, today, opened.data)
    if _open(store, today) != opened.data:
        raise Damaged(
            f"{KEYS}{today.id} does not hold the data key that {keyring.sources[opened.index or 0].where} opens"
        )
    return Rotated(today.id, written, tuple(known for known in key_ids(store) if known != today.id))


def _write(store: Store, today: WrappingKey, data: DataKey) -> None:
    name, content = f"{KEYS}{today.id}", wrap(today, data)
    try:
        store.put_if_absent(name, [content])
    except ObjectExists:
        try:
            _open(store, today)  # somebody with the same key was faster
        except Damaged:
            store.put(name, [content])


def _open(store: Store, key: WrappingKey) -> DataKey:
    name = f"{KEYS}{key.id}"
    return unwrap(key, store.get(name), name)


def retire(store: Store, keyring: Keyring, key_id: str) -> None:
    """Deletes the object of a key that is not needed any more: from then on that key opens nothing here.

    Refused (``KeyUnavailable``) for today's key, for a key that the repository does not know, and when today's key
    does not open the repository: the last key that opens it can never go.
    """
    today = keyring.key()
    known = key_ids(store)
    if key_id not in known:
        raise KeyUnavailable(
            f"the repository {store.url} knows no key {key_id!r}; it knows {', '.join(known) or 'none'}"
        )
    if key_id == today.id:
        raise KeyUnavailable(
            f"{key_id} is today's key", "configure another one, `tidemark keys rotate`, and then retire this one"
        )
    name = f"{KEYS}{today.id}"
    try:
        content = store.get(name)
        unwrap(today, content, name)
    except ObjectMissing:
        raise KeyUnavailable(
            f"today's key {today.id} does not open the repository {store.url} yet, so {key_id} must stay",
            "`tidemark keys rotate` first",
        ) from None
    store.delete(f"{KEYS}{key_id}")
    try:
        store.put_if_absent(name, [content])  # two that retire each other's key at once must not leave none
    except ObjectExists:
        return
