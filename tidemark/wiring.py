"""From settings to tools: a repository, its keys, a flavour. Rooms that do not know one another meet here."""

from __future__ import annotations

from tidemark import mysql
from tidemark.config import RepositorySettings, Settings, ShardSettings
from tidemark.mysql.server import buffer_pool
from tidemark.repository import Keyring, KeySource, Limits, RateLimit, Repository, RetentionPolicy
from tidemark.storage import Store, StoreOptions, open_store


def open_repository(settings: Settings, *, create: bool = False) -> Repository:
    """The repository that counts, opened with the configured key. ``create`` makes one of an empty place."""
    return open_place(settings.repository, create=create)


def open_place(place: RepositorySettings, *, create: bool = False) -> Repository:
    """The same for any of the configured repositories."""
    return Repository.open(find_store(place), master_keys(place), create=create)


def master_keys(place: RepositorySettings) -> Keyring:
    """The configured master keys, today's first. None is read before it is needed."""
    sources = [KeySource.file(place.key_file)] if place.key_file else []
    sources += [KeySource.environment(place.key_env)] if place.key_env else []
    sources += [KeySource.kms(place.key_kms)] if place.key_kms else []
    sources += [KeySource.file(path) for path in place.old_key_files]
    sources += [KeySource.environment(name) for name in place.old_key_envs]
    sources += [KeySource.kms(name) for name in place.old_key_kms]
    return Keyring(sources)


def retention_policy(settings: Settings, shard: ShardSettings) -> RetentionPolicy:
    """Which of the shard's backups are to be kept."""
    return RetentionPolicy(**settings.retention_of(shard).model_dump())


def find_store(place: RepositorySettings) -> Store:
    """The store that a repository is kept in, whether or not there is one yet."""
    options = StoreOptions(
        endpoint_url=place.endpoint_url,
        region=place.region,
        profile=place.profile,
        storage_class=place.storage_class,
        server_side_encryption=place.server_side_encryption,
        server_side_kms_key=place.server_side_kms_key,
    )
    return open_store(place.url, options)


def find_flavour(settings: Settings, name: str) -> mysql.Flavour:
    """A flavour with this node's programs. Raises ``ProgramMissing``."""
    folder = settings.node.mysql_bin if name == "mysql" else settings.node.mariadb_bin
    return mysql.find_flavour(name, folder)


def server_options(settings: Settings, variables: dict[str, str], data_bytes: int = 0) -> mysql.ServerOptions:
    """Of a server that is only to be looked into, and dies with us. ``data_bytes`` is how much data it will have."""
    node = settings.node
    return mysql.ServerOptions(
        variables=variables,
        buffer_pool=node.buffer_pool or buffer_pool.size(data_bytes, buffer_pool.memory()),
        start_timeout=node.start_timeout.total_seconds(),
        stop_timeout=node.stop_timeout.total_seconds(),
        disable_redo_log=False,
        die_with_parent=True,
    )


def restore_limits(settings: Settings) -> Limits:
    """How fast, and with which patience, this node fetches."""
    return _limits(settings, settings.node.restore_rate)


def upload_limits(settings: Settings) -> Limits:
    """The same for an upload, or for copying to a mirror."""
    return _limits(settings, settings.node.upload_rate)


def _limits(settings: Settings, rate: int | None) -> Limits:
    return Limits(RateLimit(rate), settings.node.stall_timeout.total_seconds())
