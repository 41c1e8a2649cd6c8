"""A run's own tools: the shard's backups, and the private server in the run's folder."""

from __future__ import annotations

import dataclasses

from tidemark import mysql, wiring
from tidemark.repository import ShardRepository
from tidemark.steps.run import Run


def shard_backups(run: Run) -> ShardRepository:
    """The backups of the run's shard. The first run of all makes the repository."""
    return wiring.open_repository(run.settings, create=True).shard(run.shard.name)


def private_server(
    run: Run, flavour: mysql.Flavour, variables: dict[str, str], data_bytes: int = 0
) -> mysql.PrivateServer:
    """The run's own server, in the run's folder. ``data_bytes`` is how much data it will start with."""
    options = dataclasses.replace(
        wiring.server_options(run.settings, variables, data_bytes),
        disable_redo_log=run.shard.disable_redo_log,
        # Without a fleet nobody comes back for a server whose run was killed.
        die_with_parent=not run.on_disk.node_id,
    )
    return mysql.PrivateServer(flavour, run.folder, options)
