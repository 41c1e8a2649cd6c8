"""``tidemark cancel``: end what the fleet is doing with a shard, and what it was about to do."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import click

from tidemark import fleet
from tidemark.cli.context import common_options, complete_shards, json_option, load_settings, prepare_celery
from tidemark.cli.output import console, facts, moment, print_json
from tidemark.cli.pauses import pauses
from tidemark.config import Settings
from tidemark.errors import RunError
from tidemark.shards import topology

if TYPE_CHECKING:
    from tidemark.queue.client import Cancelled, CancelledRun

EPILOG = """\b
Examples:
  tidemark cancel commerce/-80 --dry-run    what is there to end?
  tidemark cancel commerce/-80 --wait       until the node has cleared up
  tidemark cancel commerce/-80 --reason "the primary moves tonight"
"""

LOOK_EVERY = 0.2
"""Seconds between two looks at runs that are waited for."""


@click.command("cancel", epilog=EPILOG)
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...", shell_complete=complete_shards)
@click.option("--dry-run", is_flag=True, help="Only say what would be ended.")
@click.option("--reason", default="cancelled by an operator", show_default=True, help="What the run's record will say.")
@click.option("--wait", is_flag=True, help="Until the nodes have ended their processes and given the shards back.")
@click.option("--timeout", default=60.0, show_default=True, help="How long --wait waits, seconds.")
@common_options
@json_option
def command(shards: tuple[str, ...], dry_run: bool, reason: str, wait: bool, timeout: float, as_json: bool) -> None:
    """End the running backup of each SHARD, and take those out of the queue that wait for a node.

    Backups that are complete stay. A run that has been ended is REVOKED; the next cycle starts the shard again.
    """
    settings = load_settings()
    known = topology(settings)
    names = list(dict.fromkeys(known.find(shard).name for shard in shards))
    prepare_celery()
    from tidemark.queue import client as queue_client

    done = [queue_client.find(name) if dry_run else queue_client.cancel(name, reason) for name in names]
    if as_json:
        print_json([dataclasses.asdict(cancelled) for cancelled in done])
    else:
        for cancelled in done:
            for line in _sentences(cancelled, dry_run):
                facts.print(line, soft_wrap=True)
    if wait and not dry_run:
        _wait(settings, [run for cancelled in done for run in cancelled.runs if run.node_is_there], timeout)


def _sentences(cancelled: Cancelled, dry_run: bool) -> list[str]:
    if cancelled.nothing:
        return [f"{cancelled.shard}: nothing is running and nothing is waiting"]
    would = "would be " if dry_run else ""
    lines = [
        f"{cancelled.shard}: {would}ended: run {run.run} on node {run.node}, at step {run.step}, "
        f"since {moment(run.started)} UTC{'' if run.node_is_there else ' (the node is gone)'}"
        for run in cancelled.runs
    ]
    return lines + [f"{cancelled.shard}: {would}taken out of the queue: {id}" for id in cancelled.waiting]


def _wait(settings: Settings, runs: list[CancelledRun], timeout: float) -> None:
    """Until no node says that it works on one of the runs."""
    deadline = time.monotonic() + timeout
    left = {run.run: run.node for run in runs}
    with fleet.connect(settings.redis) as client:
        while left:
            left = {run: node for run, node in left.items() if not fleet.records.cleared(client, run)}
            if left and time.monotonic() > deadline:
                raise RunError(
                    f"{', '.join(f'node {node} has not cleared up run {run}' for run, node in left.items())}",
                    "see the node's log; it commits nothing any more, and clears up when it is started again",
                )
            if left:
                pauses.wait(LOOK_EVERY)
    console.print("The nodes have cleared up.", soft_wrap=True)
