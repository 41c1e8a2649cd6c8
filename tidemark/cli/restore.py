"""``tidemark restore``: a backup becomes a data folder again."""

from __future__ import annotations

from pathlib import Path

import click

from tidemark.cli.bars import StepBars
from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.output import facts, print_json, size, span
from tidemark.steps import bring_back

EPILOG = """\b
Examples:
  tidemark restore commerce/-80 --to /srv/restored
  tidemark restore commerce/-80 --to /srv/restored --backup 41
"""


@click.command("restore", epilog=EPILOG)
@click.argument("shard")
@click.option(
    "--to",
    "target",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder that becomes the data folder; it must not exist yet, or be empty.",
)
@click.option("--backup", "number", type=click.IntRange(min=1), help="The backup's number; the newest without this.")
@common_options
@json_option
def command(shard: str, target: Path, number: int | None, as_json: bool) -> None:
    """Restore SHARD's newest backup, or another one, into a data folder that a stock server starts on.

    Every block is checked on its way. DIR appears only when it is complete.
    """
    settings = load_settings()
    with StepBars() as bars:
        done = bring_back.run(settings, shard, target, number=number, progress=bars.step("restore"))
        bars.finish("restore", done.seconds, f"backup {done.backup.number}, {size(done.backup.bytes)}")
    backup = done.backup
    if as_json:
        print_json(
            {
                "shard": shard,
                "number": backup.number,
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
        f"{shard}: backup {backup.number} ({size(backup.bytes)}) is in {done.folder}, {span(done.seconds)}.\n"
        f"It is {backup.flavour} {backup.server_version} at position {backup.position or '(none)'}.",
        soft_wrap=True,
    )
    if done.start_command:
        facts.print(f"Start a server on it with:\n  {done.start_command}", soft_wrap=True)
    else:
        facts.print(f"Start a {backup.flavour} server of version {backup.server_version} (or its series) on it.")
