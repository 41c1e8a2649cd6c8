"""The master keys that are configured: today's, and older ones that still open what they have wrapped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tidemark.errors import KeyUnavailable, ObjectMissing, RepositoryError, StorageUnavailable, TidemarkError
from tidemark.repository.keys.keys import KEYS, DataKey, MasterKey, WrappingKey, unwrap
from tidemark.repository.keys.kms import KmsKey
from tidemark.storage import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a master key is."""

    where: str
    """For a person, e.g. ``the file /etc/tidemark/master.key``."""
    load: Callable[[], WrappingKey] = field(repr=False)
    """Gets it. Raises ``KeyUnavailable``, and ``StorageUnavailable`` when a key service does not answer."""

    @classmethod
    def file(cls, path: Path) -> KeySource:
        """A key file."""
        return cls(f"the file {path}", lambda: MasterKey.load(path))

    @classmethod
    def environment(cls, variable: str) -> KeySource:
        """An environment variable that holds a key file's line."""
        return cls(f"the environment variable {variable}", lambda: MasterKey.from_environment(variable))

    @classmethod
    def kms(cls, name: str) -> KeySource:
        """A key in AWS KMS."""
        return cls(f"the AWS KMS key {name}", lambda: KmsKey.load(name))


class Keyring:
    """Master keys in the order in which they are tried; the first is today's. Loads each once, when it is needed."""

    def __init__(self, sources: Sequence[KeySource]) -> None:
        if not sources:
            raise ValueError("a keyring has at least one key")
        self.sources = tuple(sources)
        self._loaded: dict[int, WrappingKey] = {}

    @classmethod
    def of(cls, key: WrappingKey | Keyring) -> Keyring:
        """A keyring of one key; a keyring stays what it is."""
        return key if isinstance(key, Keyring) else cls([KeySource(f"the key {key.id}", lambda: key)])

    def key(self, index: int = 0) -> WrappingKey:
        """A key; without an index, today's."""
        if index not in self._loaded:
            self._loaded[index] = self.sources[index].load()
        return self._loaded[index]


@dataclass(frozen=True, slots=True)
class Opened:
    """What trying the keys has come to."""

    data: DataKey | None
    """The data key; None when no key opens it."""
    index: int | None
    """Which key of the keyring has opened it."""
    problems: tuple[TidemarkError | None, ...]
    """What was wrong with each key that was tried and did not open it; None for one that has no object here."""


def open_data_key(store: Store, keyring: Keyring) -> Opened:
    """Tries the keys one after the other, today's first."""
    problems: list[TidemarkError | None] = []
    for index in range(len(keyring.sources)):
        try:
            key = keyring.key(index)
            name = f"{KEYS}{key.id}"
            data = unwrap(key, store.get(name), name)
        except ObjectMissing:
            problems.append(None)
        except (RepositoryError, StorageUnavailable) as error:
            problems.append(error)
        else:
            return Opened(data, index, tuple(problems))
    return Opened(None, None, tuple(problems))


def warn_of_old_key(store: Store, keyring: Keyring, opened: Opened) -> None:
    """Says so when the repository was not opened by today's key."""
    if opened.index:
        problem = opened.problems[0]
        why = problem.message if problem else "the repository does not know it yet; `tidemark keys rotate` does that"
        log.warning("%s: opened by %s, not by today's key: %s", store.url, keyring.sources[opened.index].where, why)


def key_ids(store: Store) -> list[str]:
    """The ids of the master keys that the repository knows, in ascending order."""
    return [info.name.removeprefix(KEYS) for info in store.list(KEYS)]


def not_opened(store: Store, keyring: Keyring, problems: Sequence[TidemarkError | None]) -> TidemarkError:
    """Why none of the keys opens a repository that there is."""
    known = ", ".join(key_ids(store)) or "none"
    lost = "if every one of these keys is lost, so are the backups: nothing else opens them"
    if len(problems) == 1:
        if problems[0]:
            return problems[0]
        return KeyUnavailable(
            f"the repository {store.url} is not opened by the master key {keyring.key().id}; it knows {known}",
            f"set [repository] key_file (or key_env, key_kms) to one of these keys; {lost}",
        )
    lines = [
        f"  {source.where}: {problem.message if problem else f'the repository does not know it ({keyring.key(i).id})'}"
        for i, (source, problem) in enumerate(zip(keyring.sources, problems, strict=True))
    ]
    message = "\n".join([f"no configured master key opens the repository {store.url}, which knows {known}:", *lines])
    if away := [problem for problem in problems if isinstance(problem, StorageUnavailable)]:
        return StorageUnavailable(message, away[0].hint)
    return KeyUnavailable(message, f"configure one of the keys that it knows; {lost}")
