"""Runs that were asked for: enqueuing them, waiting for their ends, and saying how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from tidemark import fleet
from tidemark.cli.context import prepare_celery
from tidemark.cli.fleet.shard_table import table
from tidemark.cli.output import console, facts, print_json, size
from tidemark.cli.pauses import pauses
from tidemark.config import Settings
from tidemark.errors import RunError, TidemarkError
from tidemark.fleet.health import Thresholds

if TYPE_CHECKING:
    from tidemark.queue.client import Outcome

LOOK_EVERY = 0.5
"""Seconds between two looks at runs that are waited for."""
NAMED = 8
"""Shards whose runs failed that the last line names."""


def enqueue(
    settings: Settings,
    shards: Sequence[str],
    *,
    wait: bool,
    as_json: bool,
    first_backup: str | None = None,
    force: bool = False,
) -> None:
    """Enqueues a run of each shard and says so; with ``wait``, shows them until they have ended. Raises ``RunError``
    when one that was waited for failed."""
    with fleet.connect(settings.redis) as client:
        if not fleet.nodes.alive(client):
            console.print("No node is there at the moment: the runs wait until one is started.", soft_wrap=True)
    results = {name: _enqueue(name, first_backup, force) for name in shards}
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
        more = ", ..." if len(failed) > NAMED else ""
        raise RunError(f"{len(failed)} of {len(outcomes)} runs failed: {', '.join(failed[:NAMED])}{more}")


def say_what_would_be(settings: Settings, shards: Sequence[str], *, as_json: bool) -> None:
    """``--dry-run``: what enqueuing would do with each shard, and nothing done."""
    prepare_celery()
    from tidemark.queue import client as queue_client

    waiting = queue_client.waiting()
    with fleet.connect(settings.redis) as client:
        views = fleet.metrics.views(client, shards)
        runs = {run.shard: run for run in fleet.records.open_runs(client)}
    plan = []
    for view in views:
        if run := runs.get(view.shard):
            what = f"would find run {run.run} on node {run.node} at work, and do nothing"
        elif view.shard in waiting:
            what = "would be enqueued, though a run of it waits already"
        else:
            what = "would be enqueued"
        plan.append({"shard": view.shard, "running": bool(run), "waiting": view.shard in waiting, "what": what})
    if as_json:
        print_json(plan)
        return
    for entry in plan:
        facts.print(f"{entry['shard']}: {entry['what']}", soft_wrap=True)
    if not plan:
        facts.print("Nothing would be enqueued.")


def _enqueue(shard: str, first_backup: str | None, force: bool) -> Outcome:
    prepare_celery()
    from tidemark.queue import client as queue_client

    return queue_client.outcome(queue_client.enqueue(shard, first_backup, force))


def _watch(settings: Settings, results: dict[str, Outcome]) -> None:
    """Shows the shards until all their runs have ended; without a terminal, a line as each one ends."""
    left, limits = dict(results), Thresholds.of(settings)
    with (
        fleet.connect(settings.redis) as client,
        Live(console=console, refresh_per_second=4, transient=True, vertical_overflow="ellipsis") as live,
    ):
        while True:
            for name in [name for name, result in left.items() if result.ready()]:
                result = left.pop(name)
                if not console.is_terminal:
                    done = f"({len(results) - len(left)} of {len(results)})"
                    console.print(f"{name}: {result.state} {done}", soft_wrap=True)
            if not left:
                return
            if console.is_terminal:
                views = fleet.metrics.views(client, left)
                head = Text(f"{len(results) - len(left)} of {len(results)} runs have ended", "bold")
                views.sort(key=lambda view: view.running is None)
                live.update(Group(head, table(views, width=console.width, limits=limits)))
            pauses.wait(LOOK_EVERY)


def _outcome(shard: str, result: Outcome) -> dict[str, Any]:
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
