"""``tidemark queue``: what waits for a node, and for what else."""

from __future__ import annotations

import dataclasses

import click

from tidemark.cli.context import common_options, json_option, load_settings, prepare_celery
from tidemark.cli.output import age, facts, print_json, print_table

EPILOG = """\b
Examples:
  tidemark queue
  tidemark queue --json | jq length
"""


@click.command("queue", epilog=EPILOG)
@common_options
@json_option
def command(as_json: bool) -> None:
    """Show the requests that no node has taken yet, in the order in which they will be: what people have enqueued
    first, then the shard with the oldest newest backup. Last those that wait for something else: a bound of [fleet],
    or another try after a node was lost."""
    load_settings()
    prepare_celery()
    from tidemark.queue import client as queue_client

    found = queue_client.queue()
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
    elif not found:
        facts.print("Nothing waits.")
    else:
        rows = [(one.shard, age(one.newest), "beat" if one.scheduled else "hand", one.reason, one.id) for one in found]
        print_table(["shard", "newest backup", "enqueued by", "waits", "id"], rows)
