"""``tidemark prune``: deletes the backups that no rule of the retention asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import click
from rich.text import Text

from tidemark import fleet, wiring
from tidemark.cli.context import common_options, complete_shards, json_option, load_settings
from tidemark.cli.output import console, facts, moment, print_json, print_table, size
from tidemark.config import Settings
from tidemark.errors import FleetError, RunError, TidemarkError
from tidemark.fleet import records
from tidemark.maintenance import prune
from tidemark.repository import Pruned, Repository
from tidemark.shards import topology

EPILOG = """\b
Examples:
  tidemark prune commerce/-80 --dry-run      what would go, and why the rest stays
  tidemark prune --all
  tidemark prune --all --json                for cron and scripts
"""


@dataclass(frozen=True, slots=True)
class Runs:
    """What the fleet knows of a shard's runs."""

    living: frozenset[str] = frozenset()
    """Those that have not ended, of all shards."""
    dead: frozenset[str] = frozenset()
    """Those of this shard that have."""


@click.command("prune", epilog=EPILOG)
@click.argument("shard", required=False, shell_complete=complete_shards)
@click.option("--all", "every", is_flag=True, help="Every configured shard.")
@click.option("--dry-run", is_flag=True, help="Only print the plan.")
@common_options
@json_option
def command(shard: str | None, every: bool, dry_run: bool, as_json: bool) -> None:
    """Delete SHARD's backups that [retention] does not ask for, then the packs that no backup refers to.

    Every backup does this by itself; by hand it is for a changed retention. Prints the plan with the reasons first.
    The newest backup, the newest proven one and the one that proves it never go. Exit status 1 when a shard could not
    be pruned; the others are.
    """
    if bool(shard) == every:
        raise click.UsageError("Name one SHARD, or give --all.")
    settings = load_settings()
    names = [topology(settings).find(shard).name] if shard else list(topology(settings).names())
    repository = wiring.open_repository(settings)
    runs = _ask_fleet(settings, names)
    lines: list[dict[str, Any]] = []
    for name in names:
        lines.append(_one(settings, repository, name, runs[name], dry_run, as_json))
        if not as_json and (error := lines[-1]["error"]):
            console.print(Text.assemble((f"{name}: ", "bold red"), error), soft_wrap=True)
    if as_json:
        print_json(lines)
    if failed := [line["shard"] for line in lines if line["error"]]:
        raise RunError(f"{len(failed)} of {len(names)} shards could not be pruned: {', '.join(failed[:8])}")


def _one(
    settings: Settings, repository: Repository, name: str, runs: Runs, dry_run: bool, as_json: bool
) -> dict[str, Any]:
    announced: list[Pruned] = []

    def announce(planned: Pruned) -> None:
        announced.append(planned)
        if not as_json:
            _print(name, planned, dry_run)

    error = ""
    try:
        prune.run(
            settings,
            repository.shard(name),
            living_runs=runs.living,
            dead_runs=runs.dead,
            dry_run=dry_run,
            announce=announce,
        )
    except TidemarkError as problem:
        error = str(problem)
    planned = announced[0] if announced else Pruned((), 0, 0)
    verdicts = [
        asdict(verdict) | {"keep": keep}
        for keep, found in ((True, planned.plan.keep), (False, planned.plan.delete))
        for verdict in found
    ] if planned.plan else []  # fmt: skip
    return {
        "shard": name,
        "dry_run": dry_run,
        "plan": sorted(verdicts, key=lambda verdict: verdict["number"]),
        "backups": list(planned.numbers),
        "packs": planned.packs,
        "bytes": planned.bytes,
        "error": error,
    }


def _print(name: str, planned: Pruned, dry_run: bool) -> None:
    plan = planned.plan
    if plan is None or not (plan.keep or plan.delete):
        facts.print(f"{name} has no backup yet.", soft_wrap=True)
        return
    keeps = [(verdict, Text("keep", "green")) for verdict in plan.keep]
    goes = [(verdict, Text("delete", "red")) for verdict in plan.delete]
    print_table(
        ["number", "finished (UTC)", "verdict", "why"],
        [
            (verdict.number, moment(verdict.finished_at), what, verdict.reason)
            for verdict, what in sorted(keeps + goes, key=lambda pair: pair[0].number)
        ],
        right=["number"],
    )
    verb = "would delete" if dry_run else "deleting"
    facts.print(
        f"{name}: {verb} {len(planned.numbers)} of {len(keeps) + len(goes)} backups and {planned.packs} packs, "
        f"{size(planned.bytes)}",
        soft_wrap=True,
    )


def _ask_fleet(settings: Settings, names: list[str]) -> dict[str, Runs]:
    """Without an answer from Redis nothing is unsafe: then a run's packs stay for seven days."""
    try:
        with fleet.connect(settings.redis) as client:
            living = frozenset(run.run for run in records.open_runs(client))
            return {
                name: Runs(
                    living, frozenset(run.run for run in records.history(client, name) if run.state != "open") - living
                )
                for name in names
            }
    except FleetError as error:
        console.print(
            f"Redis was not asked which runs have ended ({error.message}): packs of runs without a backup stay for "
            "seven days.",
            style="dim",
            soft_wrap=True,
        )
        return {name: Runs() for name in names}
