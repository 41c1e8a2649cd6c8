"""``tidemark nodes``: who is there, and busy with what."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

import click
from rich.text import Text

from tidemark import __version__, fleet
from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.fleet.shard_table import moving
from tidemark.cli.output import age, facts, print_json, print_table, size
from tidemark.fleet import RunRecord, ShardView
from tidemark.fleet.nodes import Node

EPILOG = """\b
Examples:
  tidemark nodes
  tidemark nodes --json | jq -r '.[] | select(.there and .run == null) | .name'    the idle ones
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A node, or a run whose node is gone."""

    name: str
    there: bool
    """Whether it gives signs of life."""
    since: datetime | None = None
    heartbeat: datetime | None = None
    version: str = ""
    scratch: str = ""
    scratch_free: int | None = None
    scratch_total: int | None = None
    shard: str | None = None
    """What it is busy with."""
    run: str | None = None
    step: str | None = None
    run_since: datetime | None = None


@click.command("nodes", epilog=EPILOG)
@common_options
@json_option
def command(as_json: bool) -> None:
    """List the nodes of the fleet: since when each is there, what it is busy with, its version, the free room of its
    scratch folder. A node that is gone is listed while a run waits for it."""
    settings = load_settings()
    with fleet.connect(settings.redis) as client:
        nodes = fleet.nodes.look(client)
        runs = fleet.records.open_runs(client)
        views = {view.shard: view for view in fleet.metrics.views(client, [run.shard for run in runs])}
        waiting = fleet.queues.lengths(client, ["backup"])["backup"]
    lines = join(nodes, runs)
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    if not lines:
        facts.print("No node is there.")
    else:
        _print(lines, views)
    busy = sum(1 for line in lines if line.there and line.run)
    there = sum(1 for line in lines if line.there)
    nodes_there = "1 node" if there == 1 else f"{there} nodes"
    wait = "1 shard waits" if waiting == 1 else f"{waiting} shards wait"
    facts.print(f"{nodes_there}, {busy} busy; {wait} for a node", soft_wrap=True)


def join(nodes: list[Node], runs: list[RunRecord]) -> list[Line]:
    """Each node with the run that it is busy with; then the runs whose node is gone."""
    by_node = {run.node: run for run in runs}
    lines = []
    for node in nodes:
        run = by_node.pop(node.name, None)
        lines.append(
            Line(
                name=node.name,
                there=True,
                since=node.since,
                heartbeat=node.at,
                version=node.version,
                scratch=node.scratch,
                scratch_free=node.scratch_free,
                scratch_total=node.scratch_total,
                shard=run.shard if run else None,
                run=run.run if run else None,
                step=run.step if run else None,
                run_since=run.started if run else None,
            )
        )
    return lines + [
        Line(name=run.node, there=False, shard=run.shard, run=run.run, step=run.step, run_since=run.started)
        for run in by_node.values()
    ]


def _print(lines: list[Line], views: dict[str, ShardView]) -> None:
    print_table(
        ["node", "there since", "last sign", "version", "scratch free", "busy with"],
        [
            (
                line.name,
                age(line.since) if line.there else Text("gone", "bold red"),
                age(line.heartbeat) if line.heartbeat else "",
                Text(line.version, "" if line.version in {__version__, ""} else "yellow"),
                _room(line),
                _busy(line, views.get(line.shard or "")),
            )
            for line in lines
        ],
    )


def _room(line: Line) -> Text:
    if line.scratch_free is None or not line.scratch_total:
        return Text("")
    part = line.scratch_free / line.scratch_total
    return Text(f"{size(line.scratch_free)} ({part:.0%})", "red" if part < 0.1 else "")


def _busy(line: Line, view: ShardView | None) -> Text:
    if line.run is None:
        return Text("idle", "dim")
    text = Text(f"{line.shard} ")
    if view and view.running and view.running.run == line.run and view.progress:
        return text + moving(view.running.step, view.progress)
    since = f" since {age(line.run_since).removesuffix(' ago')}" if line.run_since else ""
    return text + Text(f"{line.step}{since}", "cyan" if line.there else "red")
