"""``tidemark retry``: once more what failed."""

from __future__ import annotations

import click

from tidemark.cli.context import common_options, complete_shards, json_option, load_settings, prepare_celery
from tidemark.cli.fleet.enqueued import enqueue, say_what_would_be
from tidemark.cli.output import facts, print_json
from tidemark.cli.selection import select

EPILOG = """\b
Examples:
  tidemark retry --failed --dry-run      which shards are that?
  tidemark retry --failed --wait
  tidemark retry 'commerce/*'            of these, those that failed
"""


@click.command("retry", epilog=EPILOG)
@click.argument("shards", nargs=-1, metavar="[SHARD...]", shell_complete=complete_shards)
@click.option("--failed", is_flag=True, help="Every shard whose last run failed.")
@click.option("--wait", is_flag=True, help="Wait for the runs to end, and show them; exit status 1 when one fails.")
@click.option("--dry-run", is_flag=True, help="Only say what would be enqueued.")
@common_options
@json_option
def command(shards: tuple[str, ...], failed: bool, wait: bool, dry_run: bool, as_json: bool) -> None:
    """Enqueue the shards whose last run failed: all of them with --failed, or those among the SHARDs. One that is
    running or waiting already is left alone."""
    if failed == bool(shards):
        raise click.UsageError("say --failed, or name shards")
    settings = load_settings()
    asked = select(settings, shards)
    prepare_celery()
    from tidemark.queue import client as queue_client

    found = set(queue_client.find_failed())
    names = [name for name in asked if name in found]
    if dry_run:
        say_what_would_be(settings, names, as_json=as_json)
    elif names:
        enqueue(settings, names, wait=wait, as_json=as_json)
    elif as_json:
        print_json([])
    else:
        facts.print("No shard's last run failed that is not running or waiting again.", soft_wrap=True)
