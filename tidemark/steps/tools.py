"""A run's tools. Each step opens what it needs once, at its top, and hands it down."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tidemark import mysql, wiring
from tidemark.repository import Limits, Repository, RetentionPolicy, ShardRepository
from tidemark.steps.bounds import ScratchDisk
from tidemark.steps.run import Known, Run


@dataclass(frozen=True, slots=True)
class ServerTools:
    """What it takes to run the private server of a run, in the run's folder."""

    run: Run
    disk: ScratchDisk

    @classmethod
    def open(cls, run: Run) -> ServerTools:
        return cls(run, ScratchDisk.of(run.settings))

    def flavour(self, name: str) -> mysql.Flavour:
        """A flavour with this node's programs. Raises ``ProgramMissing``."""
        return wiring.find_flavour(self.run.settings, name)

    def server(self, flavour: mysql.Flavour, variables: dict[str, str], data_bytes: int = 0) -> mysql.PrivateServer:
        """The run's own server. ``data_bytes`` is how much data it will start with."""
        options = dataclasses.replace(
            wiring.server_options(self.run.settings, variables, data_bytes),
            disable_redo_log=self.run.shard.disable_redo_log,
            plugins=self.run.shard.plugins,
            # Without a fleet nobody comes back for a server whose run was killed.
            die_with_parent=not self.run.on_disk.node_id,
        )
        return mysql.PrivateServer(flavour, self.run.folder, options)


@dataclass(frozen=True, slots=True)
class RestoreTools:
    """What a restore works with."""

    backups: ShardRepository
    """The first run of all makes the repository."""
    servers: ServerTools
    limits: Limits
    known: Known
    """What this node remembers of the shard's backups."""

    @classmethod
    def open(cls, run: Run) -> RestoreTools:
        """Raises what ``Repository.open`` does."""
        backups = wiring.open_repository(run.settings, create=True).shard(run.shard.name)
        known = Known(run.settings, run.shard.name)
        return cls(backups, ServerTools.open(run), wiring.restore_limits(run.settings), known)


@dataclass(frozen=True, slots=True)
class UploadTools:
    """What an upload works with."""

    repository: Repository
    backups: ShardRepository
    disk: ScratchDisk
    limits: Limits
    retention: RetentionPolicy
    known: Known
    """What this node remembers of the shard's backups."""

    @classmethod
    def open(cls, run: Run) -> UploadTools:
        """Raises what ``Repository.open`` does."""
        settings, name = run.settings, run.shard.name
        repository = wiring.open_repository(settings, create=True)
        return cls(
            repository=repository,
            backups=repository.shard(name),
            disk=ScratchDisk.of(settings),
            limits=wiring.upload_limits(settings),
            retention=wiring.retention_policy(settings, run.shard),
            known=Known(settings, name),
        )
