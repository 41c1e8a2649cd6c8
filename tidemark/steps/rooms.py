"""Where a step gets its tools: the rooms that do not know one another meet here."""

from __future__ import annotations

import dataclasses

from tidemark import mysql
from tidemark.config import RepositorySettings, Settings, ShardSettings
from tidemark.mysql.server import buffer_pool
from tidemark.repository import Keyring, KeySource, Repository, RetentionPolicy, ShardRepository
from tidemark.steps.run import Run
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


def shard_backups(run: Run) -> ShardRepository:
    """The backups of the run's shard. The first run of all makes the repository."""
    return open_repository(run.settings, create=True).shard(run.shard.name)


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


def private_server(
    run: Run, flavour: mysql.Flavour, variables: dict[str, str], data_bytes: int = 0
) -> mysql.PrivateServer:
    """The run's own server, in the run's folder. ``data_bytes`` is how much data it will start with."""
    options = dataclasses.replace(
        server_options(run.settings, variables, data_bytes),
        disable_redo_log=run.shard.disable_redo_log,
        # Without a fleet nobody comes back for a server whose run was killed.
        die_with_parent=not run.on_disk.node_id,
    )
    return mysql.PrivateServer(flavour, run.folder, options)
