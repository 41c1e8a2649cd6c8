"""``tidemark janitor``: look for what is left over in the fleet, here and now."""

from __future__ import annotations

import click

from tidemark import fleet
from tidemark.cli.context import common_options, json_option, load_settings, prepare_celery
from tidemark.cli.output import facts, print_json, print_table

EPILOG = """\b
Examples:
  tidemark janitor --dry-run     what is left over, and why?
  tidemark janitor               deal with it now instead of within a minute
"""


@click.command("janitor", epilog=EPILOG)
@click.option("--dry-run", is_flag=True, help="Only say what is left over and what would become of it.")
@common_options
@json_option
def command(dry_run: bool, as_json: bool) -> None:
    """Find what is left over in the fleet, and deal with it: runs of nodes that are gone, requests that nobody holds,
    queues and keys that nobody needs.

    The control worker does the same each minute. Backups are never touched; what lies on a node's disk is the node's.
    """
    settings = load_settings()
    prepare_celery()
    from tidemark.queue import leftovers, messages

    done = []
    with fleet.connect(settings.redis) as client, messages.channel() as channel:
        for found in leftovers.find_leftovers(client, settings, channel):
            if not dry_run:
                found.do()
            done.append({"what": found.what, "subject": found.subject, "about": found.about, "why": found.why})
    if as_json:
        print_json(done)
    elif not done:
        facts.print("Nothing is left over.")
    else:
        print_table(["what", "name", "of", "why, and what becomes of it"], [tuple(one.values()) for one in done])
