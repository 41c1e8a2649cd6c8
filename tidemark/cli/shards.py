"""``tidemark shards``: which shards there are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.text import Text

from tidemark import mysql
from tidemark.cli.context import common_options, config_path, json_option, load_settings
from tidemark.cli.output import print_json, print_table
from tidemark.config import ShardSettings
from tidemark.errors import RunError, TidemarkError
from tidemark.steps import sources


@dataclass(frozen=True, slots=True)
class Line:
    """A shard as configured, and what its primary said."""

    name: str
    host: str
    port: int
    user: str
    flavour: str
    first_backup: str
    version: str | None = None
    """The primary's version, once it was asked."""
    problem: str | None = None
    """Why the primary cannot serve a backup; empty when it can, None when it was not asked."""


@click.command("shards", epilog="\b\nExamples:\n  tidemark shards\n  tidemark shards --check")
@click.option("--check", is_flag=True, help="Ask every primary whether it can serve a backup; exit status 1 if not.")
@common_options
@json_option
def command(check: bool, as_json: bool) -> None:
    """List the configured shards and where their primaries are."""
    settings = load_settings()
    if check:
        path = config_path()
        with ThreadPoolExecutor(16) as pool:
            lines = list(pool.map(lambda shard: _ask(shard, path), settings.shard))
    else:
        lines = [_line(shard) for shard in settings.shard]
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        _print(lines, check)
    if bad := [line.name for line in lines if line.problem]:
        raise RunError(f"{len(bad)} of {len(lines)} primaries cannot serve a backup: {', '.join(bad[:8])}")


def _line(
    shard: ShardSettings,
    version: str | None = None,
    problem: str | None = None,
    flavour: str = "",
    found: mysql.Endpoint | None = None,
) -> Line:
    host, port = (found.host, found.port) if found else shard.candidates[0]
    return Line(shard.name, host, port, shard.user, flavour or shard.flavour, shard.first_backup, version, problem)


def _ask(shard: ShardSettings, path: Path) -> Line:
    try:
        found = sources.find(shard, path).endpoint
        with mysql.connect(found, flavour=shard.flavour) as source:
            source.check_fit()
            return _line(shard, source.version, "", source.flavour, found)
    except TidemarkError as error:
        return _line(shard, None, str(error))


def _print(lines: list[Line], check: bool) -> None:
    print_table(
        ["shard", "primary", "account", "flavour", "first backup"] + (["primary says"] if check else []),
        [
            [line.name, f"{line.host}:{line.port}", line.user, line.flavour, line.first_backup]
            + ([Text(line.problem, "red") if line.problem else Text(f"fit ({line.version})", "green")] if check else [])
            for line in lines
        ],
    )
