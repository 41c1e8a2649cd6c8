"""Prune: the backups that no rule asks for go, then what no backup refers to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from tidemark import wiring
from tidemark.config import Settings
from tidemark.repository import Pruned, ShardRepository
from tidemark.shards import topology


def run(
    settings: Settings,
    backups: ShardRepository,
    *,
    living_runs: frozenset[str] = frozenset(),
    dead_runs: frozenset[str] = frozenset(),
    dry_run: bool = False,
    announce: Callable[[Pruned], None] = lambda pruned: None,
) -> Pruned:
    """Prunes one shard by its retention. ``living_runs`` keep their packs; those of ``dead_runs`` go at once when no
    backup refers to them, those of other runs after seven days. ``announce`` hears what will go before it goes."""
    policy = wiring.retention_policy(settings, topology(settings).find(backups.name))
    return backups.prune(
        policy,
        now=datetime.now(UTC),
        living_runs=living_runs,
        dead_runs=dead_runs,
        dry_run=dry_run,
        announce=announce,
    )
