"""``tidemark run``: have the fleet do it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live

from tidemark import config, fleet
from tidemark.cli.context import common_options, complete_shards, json_option, load_settings, prepare_celery
from tidemark.cli.output import console, facts, print_json, size
from tidemark.cli.shard_table import table
from tidemark.errors import RunError, TidemarkError

if TYPE_CHECKING:
    from celery.result import AsyncResult

EPILOG = """\b
Examples:
  tidemark run commerce/-80
  tidemark run commerce/-80 commerce/80- --wait
  tidemark run commerce/-80 --first-backup clone   start anew, on purpose
"""

LOOK_EVERY = 0.5
"""Seconds between two looks at runs that are waited for."""


@click.command("run", epilog=EPILOG)
@click.argument("shards", nargs=-1, required=True, metavar="SHARD...", shell_complete=complete_shards)
@click.option("--wait", is_flag=True, help="Wait for the runs to end; exit status 1 when one fails.")
@click.option(
    "--first-backup",
    type=click.Choice(["clone", "replay", "empty", "refuse"]),
    help="What to do when a shard has no backup yet (instead of what the configuration says).",
)
@click.option("--force", is_flag=True, help="Also when the newest backup is younger than cycle.min_interval.")
@common_options
@json_option
def command(shards: tuple[str, ...], wait: bool, first_backup: str | None, force: bool, as_json: bool) -> None:
    """Enqueue a run of each SHARD, ahead of the scheduled ones. A shard that is being backed up already is left
    alone: the result says so."""
    settings = load_settings()
    names = list(dict.fromkeys(settings.find_shard(shard).name for shard in shards))
    with fleet.connect(settings.redis) as client:
        nodes = fleet.nodes.alive(client)
    if not nodes:
        console.print("No node is there at the moment: the runs wait until one is started.", soft_wrap=True)
    results = {name: _enqueue(name, first_backup, force) for name in names}
    if not wait:
        if as_json:
            print_json([{"shard": name, "id": result.id} for name, result in results.items()])
        else:
            for name, result in results.items():
                facts.print(f"{name}: enqueued as {result.id}", soft_wrap=True)
        return
    _watch(settings, results)
    outcomes = [_outcome(name, result) for name, result in results.items()]
    if as_json:
        print_json(outcomes)
    else:
        for outcome in outcomes:
            facts.print(_sentence(outcome), soft_wrap=True)
    if failed := [outcome["shard"] for outcome in outcomes if outcome["state"] != "SUCCESS"]:
        raise RunError(f"{len(failed)} of {len(outcomes)} runs failed: {', '.join(failed)}")


def _enqueue(shard: str, first_backup: str | None, force: bool) -> AsyncResult[Any]:
    prepare_celery()
    from celery.result import AsyncResult

    from tasks import app, control

    return AsyncResult(control.enqueue(shard, first_backup, force), app=app)


def _watch(settings: config.Settings, results: dict[str, AsyncResult[Any]]) -> None:
    """Shows the shards until all their runs have ended."""
    pause = threading.Event()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while not all(result.ready() for result in results.values()):
            views = [view for view in fleet.view(settings) if view.shard in results]
            live.update(table(views, width=console.width))
            pause.wait(LOOK_EVERY)


def _outcome(shard: str, result: AsyncResult[Any]) -> dict[str, Any]:
    value = result.result
    outcome: dict[str, Any] = {"shard": shard, "id": result.id, "state": str(result.state)}
    if isinstance(value, dict):
        return outcome | {"result": value}
    if isinstance(value, TidemarkError):
        return outcome | {"error": value.message, "hint": value.hint}
    return outcome | {"error": str(value or result.state)}


def _sentence(outcome: dict[str, Any]) -> str:
    shard, result = outcome["shard"], outcome.get("result")
    if result is None:
        hint = f"\nHINT: {outcome['hint']}" if outcome.get("hint") else ""
        return f"{shard}: {outcome['state']}: {outcome['error']}{hint}"
    if result.get("skipped"):
        return f"{shard}: nothing to do. {result['skipped']}"
    return (
        f"{shard}: backup {result.get('number')} is complete: {size(result.get('bytes'))}, of which "
        f"{size(result.get('stored_bytes'))} were stored anew; position {result.get('position')}"
    )
