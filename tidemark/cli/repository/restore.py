"""``tidemark restore``: a backup becomes a data folder again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from tidemark.cli.bars import StepBars
from tidemark.cli.context import common_options, json_option, load_settings, shard_argument
from tidemark.cli.output import facts, print_json, size, span
from tidemark.cli.repository import restore_tables
from tidemark.config import Settings
from tidemark.mysql import TablePatterns
from tidemark.recovery import restore

EPILOG = """\b
Examples:
  tidemark restore commerce/-80 --to /srv/restored
  tidemark restore commerce/-80 --to /srv/restored --backup 41
  tidemark restore commerce/-80 --to /var/lib/mysql --delta     fetch only what differs
  tidemark restore commerce/-80 --to /srv/restored --from 2     from the first mirror
  tidemark restore commerce/-80 --to /srv/tables --tables 'shop.t*,shop.customer'
  tidemark restore commerce/-80 --stdout-manifest | jq -r '.file_list[].path'
"""


@click.command("restore", epilog=EPILOG)
@shard_argument
@click.option(
    "--to",
    "target",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder that becomes the data folder; it must not exist yet, or be empty.",
)
@click.option("--backup", "number", type=click.IntRange(min=1), help="The backup's number; the newest without this.")
@click.option("--from", "source", metavar="URL|N", help="Another of the configured repositories, such as 2.")
@click.option(
    "--delta",
    is_flag=True,
    help="DIR may be a data folder with no server on it: what the backup has too is kept, all else in it is replaced "
    "or removed.",
)
@click.option(
    "--tables",
    multiple=True,
    metavar="PATTERN",
    help="Only these InnoDB tables, as schema.table with * and ?, ready to be imported into a running server.",
)
@click.option("--stdout-manifest", is_flag=True, help="Restore nothing; print what the backup holds as JSON.")
@common_options
@json_option
def command(
    shard: str,
    target: Path | None,
    number: int | None,
    source: str | None,
    delta: bool,
    tables: tuple[str, ...],
    stdout_manifest: bool,
    as_json: bool,
) -> None:
    """Restore SHARD's newest backup, or another one, into a data folder that a stock server starts on.

    Every block is checked on its way. DIR appears only when it is complete; until then its name ends with
    .tidemark-incomplete. A restore that was killed goes on where it was when it is called again.
    """
    if (target is None) != stdout_manifest:
        raise click.UsageError("Say where to with --to DIR, or ask for --stdout-manifest.")
    if tables and delta:
        raise click.UsageError("--tables and --delta do not go together.")
    settings = load_settings()
    place = settings.find_repository(source) if source else settings.repository
    found = restore.find(settings, shard, number=number, place=place)
    if target is None:
        print_json(_manifest(found))
    elif tables:
        wanted = TablePatterns.parse(tables)
        restore_tables.show(settings, found, target, wanted, as_json=as_json)
    else:
        _restore(settings, found, target, delta=delta, as_json=as_json)


def _restore(settings: Settings, found: restore.Found, target: Path, *, delta: bool, as_json: bool) -> None:
    shard = found.backups.name
    with StepBars() as bars:
        done = restore.run(settings, found, target, delta=delta, progress=bars.step("restore"))
        bars.finish("restore", done.seconds, f"backup {done.backup.number}, {size(done.backup.bytes)}")
    backup = done.backup
    if as_json:
        print_json(
            {
                "shard": shard,
                "number": backup.number,
                "from": done.url,
                "position": backup.position,
                "flavour": backup.flavour,
                "server_version": backup.server_version,
                "folder": str(done.folder),
                "bytes": backup.bytes,
                "fetched_bytes": done.fetched_bytes,
                "seconds": done.seconds,
                "start_command": done.start_command,
            }
        )
        return
    facts.print(
        f"{shard}: backup {backup.number} ({size(backup.bytes)}) is in {done.folder}, {span(done.seconds)}; "
        f"{size(done.fetched_bytes)} were fetched from {done.url}.\n"
        f"It is {backup.flavour} {backup.server_version} at position {backup.position or '(none)'}.",
        soft_wrap=True,
    )
    if done.start_command:
        facts.print(f"Start a server on it with:\n  {done.start_command}", soft_wrap=True)
    else:
        facts.print(f"Start a {backup.flavour} server of version {backup.server_version} (or its series) on it.")


def _manifest(found: restore.Found) -> dict[str, Any]:
    body = found.manifest.body
    return dataclasses.asdict(found.backup) | {
        "repository": found.url,
        "shard": found.backups.name,
        "file_list": [file.model_dump(exclude={"map"}) for file in body.files],
        "directories": [directory.model_dump() for directory in body.directories],
        "packs": [pack.model_dump() for pack in body.packs],
        "inventory": body.inventory,
    }
