"""``tidemark run``: have the fleet do it."""

from __future__ import annotations

import click

from tidemark.cli.context import common_options, complete_shards, json_option, load_settings
from tidemark.cli.fleet.enqueued import enqueue, say_what_would_be
from tidemark.cli.selection import select

EPILOG = """\b
Examples:
  tidemark run commerce/-80
  tidemark run commerce/-80 commerce/80- --wait
  tidemark run 'commerce/*' --dry-run
  tidemark run --all --wait
  tidemark run commerce/-80 --first-backup clone   start anew, on purpose
"""


@click.command("run", epilog=EPILOG)
@click.argument("shards", nargs=-1, metavar="[SHARD...]", shell_complete=complete_shards)
@click.option("--all", "all_shards", is_flag=True, help="Every configured shard.")
@click.option("--wait", is_flag=True, help="Wait for the runs to end, and show them; exit status 1 when one fails.")
@click.option("--dry-run", is_flag=True, help="Only say what would be enqueued.")
@click.option(
    "--first-backup",
    type=click.Choice(["clone", "replay", "empty", "refuse"]),
    help="What to do when a shard has no backup yet (instead of what the configuration says).",
)
@click.option("--force", is_flag=True, help="Also when the newest backup is younger than cycle.min_interval.")
@common_options
@json_option
def command(
    shards: tuple[str, ...],
    all_shards: bool,
    wait: bool,
    dry_run: bool,
    first_backup: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Enqueue a run of each SHARD (a name or a pattern), ahead of the scheduled ones. A shard that is being backed up
    already is left alone: the result says so."""
    if all_shards == bool(shards):
        raise click.UsageError("name shards, or say --all")
    settings = load_settings()
    names = select(settings, shards)
    if dry_run:
        say_what_would_be(settings, names, as_json=as_json)
    else:
        enqueue(settings, names, wait=wait, as_json=as_json, first_backup=first_backup, force=force)
