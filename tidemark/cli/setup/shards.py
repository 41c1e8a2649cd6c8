"""``tidemark shards``: which shards there are."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.text import Text

from tidemark import mysql
from tidemark.cli.context import common_options, config_path, json_option, load_settings
from tidemark.cli.output import console, print_json, print_table
from tidemark.config import ShardSettings
from tidemark.errors import RunError, SourceDenied, TidemarkError
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
    too_much: tuple[str, ...] = ()
    """What the account may do and Tidemark does not need: a warning."""
    revoke: str = ""
    """The statement that takes it away."""


@click.command("shards", epilog="\b\nExamples:\n  tidemark shards\n  tidemark shards --check")
@click.option("--check", is_flag=True, help="Ask every primary whether it can serve a backup; exit status 1 if not.")
@common_options
@json_option
def command(check: bool, as_json: bool) -> None:
    """List the configured shards and where their primaries are.

    --check names every right that an account lacks, with the GRANT to type, and what it may do beyond its need.
    """
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
    where = found or shard.candidates[0]
    return Line(
        shard.name, where.host, where.port, shard.user, flavour or shard.flavour, shard.first_backup, version, problem
    )


def _ask(shard: ShardSettings, path: Path) -> Line:
    try:
        found = sources.find(shard, path).endpoint
        with mysql.connect(found, flavour=shard.flavour) as source:
            rights = mysql.review_rights(
                source, first_copy=shard.first_backup == "clone", replica=shard.source == "replica"
            )
            if rights.missing:
                raise SourceDenied(
                    f"{found}: for the account {shard.user} there is no {', no '.join(rights.missing)}",
                    f"on the source: {rights.grant}",
                )
            source.check_fit()
            line = _line(shard, source.version, "", source.flavour, found)
            return dataclasses.replace(line, too_much=rights.too_much, revoke=rights.revoke)
    except TidemarkError as error:
        return _line(shard, None, str(error))


def _print(lines: list[Line], check: bool) -> None:
    print_table(
        ["shard", "primary", "account", "flavour", "first backup"] + (["primary says"] if check else []),
        [
            [line.name, f"{line.host}:{line.port}", line.user, line.flavour, line.first_backup]
            + ([_verdict(line)] if check else [])
            for line in lines
        ],
    )
    for line in lines:
        if line.too_much:
            console.print(
                f"{line.name}: the account {line.user} may do more than it needs: {'; '.join(line.too_much)}",
                style="yellow",
                markup=False,
                soft_wrap=True,
            )
            if line.revoke:
                console.print(f"HINT: on the source: {line.revoke}", markup=False, soft_wrap=True)


def _verdict(line: Line) -> Text:
    return Text(line.problem, "red") if line.problem else Text(f"fit ({line.version})", "green")
