"""``tidemark mirror``: brings the other repositories level with the one that counts."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from tidemark import wiring
from tidemark.cli.bars import StepBars
from tidemark.cli.context import common_options, complete_shards, json_option, load_settings
from tidemark.cli.output import facts, print_json, print_table, size
from tidemark.config import Settings
from tidemark.errors import ConfigError, RunError
from tidemark.maintenance import mirror as mirroring
from tidemark.shards import topology
from tidemark.steps import MirrorResult

EPILOG = """\b
Examples:
  tidemark mirror commerce/-80
  tidemark mirror --all --dry-run     how far behind is each mirror?
  tidemark mirror --all --json        for cron and scripts
"""


@click.command("mirror", epilog=EPILOG)
@click.argument("shard", required=False, shell_complete=complete_shards)
@click.option("--all", "every", is_flag=True, help="Every configured shard.")
@click.option("--dry-run", is_flag=True, help="Only say how far behind each mirror is.")
@common_options
@json_option
def command(shard: str | None, every: bool, dry_run: bool, as_json: bool) -> None:
    """Copy SHARD's backups to the mirrors: the second and further [[repository]] of the configuration.

    Every backup does this by itself. By hand it fills a new mirror, or takes up what a failure has left. Exit status 1
    when a mirror could not be brought level.
    """
    if bool(shard) == every:
        raise click.UsageError("Name one SHARD, or give --all.")
    settings = load_settings()
    if not settings.mirrors:
        raise ConfigError("the configuration has no mirror", "give [[repository]] once more for each mirror")
    names = [topology(settings).find(shard).name] if shard else list(topology(settings).names())
    results = {name: _one(settings, name, dry_run) for name in names}
    if as_json:
        print_json([{"shard": name} | found.model_dump() for name in names for found in results[name]])
    else:
        _print(results, dry_run)
    if failed := [name for name in names if any(found.error for found in results[name])]:
        raise RunError(f"{len(failed)} of {len(names)} shards could not be mirrored: {', '.join(failed[:8])}")


def _one(settings: Settings, name: str, dry_run: bool) -> tuple[MirrorResult, ...]:
    if dry_run:
        return mirroring.look_at_all(settings, name)
    with StepBars() as bars:
        results = mirroring.run_all(settings, wiring.open_repository(settings), name, progress=bars.step(name))
        bars.finish(name, sum(found.seconds for found in results), size(sum(found.bytes for found in results)))
    return results


def _print(results: dict[str, tuple[MirrorResult, ...]], dry_run: bool) -> None:
    columns = ["shard", "mirror", "newest", "behind", *([] if dry_run else ["copied", "bytes", "pruned"]), "state"]
    rows: list[list[Any]] = []
    for name, found in results.items():
        for mirror in found:
            done = [] if dry_run else [len(mirror.copied), size(mirror.bytes), len(mirror.pruned)]
            rows.append([name, mirror.url, mirror.newest or "-", _behind(mirror), *done, state(mirror)])
    print_table(columns, rows, right=["newest", "behind", "copied", "bytes", "pruned"])
    if dry_run:
        facts.print("Nothing was changed (--dry-run).")


def _behind(mirror: MirrorResult) -> str:
    return "?" if mirror.missing is None else str(mirror.missing)


def state(mirror: MirrorResult) -> Text:
    """In words: level, behind, or what went wrong."""
    if mirror.error:
        return Text(mirror.error.splitlines()[0], "red")
    return Text(f"{mirror.missing} behind", "yellow") if mirror.missing else Text("level", "green")
