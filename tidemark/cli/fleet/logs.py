"""``tidemark logs``: what a run's steps have logged, wherever they ran."""

from __future__ import annotations

import logging

import click
from rich.text import Text

from tidemark import fleet
from tidemark.cli.context import common_options, load_settings, shard_argument
from tidemark.cli.output import console, facts, moment
from tidemark.cli.pauses import pauses
from tidemark.errors import RunError
from tidemark.fleet import Client
from tidemark.fleet.logs import LogLine
from tidemark.shards import topology

EPILOG = """\b
Examples:
  tidemark logs commerce/-80
  tidemark logs commerce/-80 --follow
  tidemark logs commerce/-80 --run 20261126T010203Z-1a2b3c4d --level warning
  tidemark logs commerce/-80 --json | jq -r 'select(.step == "upload") | .message'
"""

LOOK_EVERY = 0.5
"""Seconds between two looks for new lines."""
_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "DEBUG": "dim"}


@click.command("logs", epilog=EPILOG)
@shard_argument
@click.option("--run", "run_id", metavar="ID", help="That run (tidemark show lists them); else the newest.")
@click.option("--follow", is_flag=True, help="Go on until the run has ended.")
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="debug",
    help="Only lines of this level and above.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@common_options
def command(shard: str, run_id: str | None, follow: bool, level: str, as_json: bool) -> None:
    """Print the log of SHARD's newest run: every step's lines, from whichever node. Redis keeps the newest lines of
    each run for two weeks ([logs] keep_lines)."""
    settings = load_settings()
    name = topology(settings).find(shard).name
    least = logging.getLevelNamesMapping()[level.upper()]
    with fleet.connect(settings.redis) as client:
        run = _find(client, name, run_id)
        mark, some = "0", False
        while True:
            ended = _ended(client, run)  # asked first: lines that come in between are read below
            lines, mark = fleet.logs.read(client, run, mark)
            for line in lines:
                some = True
                if logging.getLevelNamesMapping().get(line.level, logging.INFO) >= least:
                    _print(line, as_json)
            if not follow or ended:
                break
            pauses.wait(LOOK_EVERY)
    if not some:
        console.print(f"Redis holds no lines of run {run}; see the log of its node, or [logs] keep_lines.")


def _find(client: Client, shard: str, run_id: str | None) -> str:
    """The run that is meant."""
    if run_id is not None:
        record = fleet.records.get(client, run_id)
        if record is None or record.shard != shard:
            raise RunError(f"{shard} has had no run {run_id} as far as Redis knows", f"see tidemark show {shard}")
        return run_id
    newest = fleet.records.history(client, shard, 1)
    if not newest:
        raise RunError(f"{shard} has had no run as far as Redis knows", f"start one: tidemark run {shard}")
    return newest[0].run


def _ended(client: Client, run: str) -> bool:
    record = fleet.records.get(client, run)
    return record is None or record.state != "open"


def _print(line: LogLine, as_json: bool) -> None:
    if as_json:
        click.echo(line.model_dump_json())
        return
    head = f"{moment(line.time)} {line.level:<7} {line.step:<8} {line.node:<12} "
    facts.print(Text.assemble((head, _COLOURS.get(line.level, "cyan")), line.message), soft_wrap=True)
    if line.exception:
        facts.print(Text(line.exception, "dim"), soft_wrap=True)
