"""``tidemark backups``: what a shard's backups are."""

from __future__ import annotations

import dataclasses
from typing import Any

import click
from rich.text import Text

from tidemark import wiring
from tidemark.cli.context import common_options, json_option, load_settings, shard_argument
from tidemark.cli.output import age, facts, moment, print_json, print_table, size
from tidemark.cli.repository.mirror import state
from tidemark.maintenance import mirror
from tidemark.repository import Backup
from tidemark.shards import topology
from tidemark.steps import MirrorResult

EPILOG = """\b
Examples:
  tidemark backups commerce/-80
  tidemark backups commerce/-80 --json | jq '.[-1].position'
"""


@click.command("backups", epilog=EPILOG)
@shard_argument
@common_options
@json_option
def command(shard: str, as_json: bool) -> None:
    """List SHARD's complete backups, oldest first. A later run has fetched a proven one and gone on from it."""
    settings = load_settings()
    name = topology(settings).find(shard).name
    backups = wiring.open_repository(settings).shard(name).catalog.backups()
    proven = {backup.proves for backup in backups}
    if as_json:
        print_json([_as_json(shard, backup, proven) for backup in backups])
        return
    if not backups:
        facts.print(f"{shard} has no backup yet in {settings.repository.url}.", soft_wrap=True)
        return
    print_table(
        ["number", "finished (UTC)", "age", "size", "stored", "proven", "flavour", "position"],
        [
            (
                backup.number,
                moment(backup.finished_at),
                age(backup.finished_at),
                size(backup.bytes),
                size(backup.stored_bytes),
                Text("yes", "green") if backup.number in proven else "not yet",
                f"{backup.flavour} {backup.server_version}",
                backup.position,
            )
            for backup in backups
        ],
        right=["number", "size", "stored"],
    )
    _print_mirrors(mirror.look_at_all(settings, name))


def _print_mirrors(found: tuple[MirrorResult, ...]) -> None:
    for mirrored in found:
        newest = f"newest {mirrored.newest}" if mirrored.newest else "no backup"
        text = Text.assemble(f"mirror {mirrored.url}: ", "" if mirrored.error else f"{newest}, ", state(mirrored))
        facts.print(text, soft_wrap=True)


def _as_json(shard: str, backup: Backup, proven: set[int | None]) -> dict[str, Any]:
    return {"shard": shard} | dataclasses.asdict(backup) | {"proven": backup.number in proven}
