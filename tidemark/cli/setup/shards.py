"""``tidemark shards``: which shards there are."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.text import Text

from tidemark import mysql, shards
from tidemark.cli.context import common_options, config_path, json_option
from tidemark.cli.output import console, print_json, print_table
from tidemark.config import ShardSettings
from tidemark.errors import RunError, SourceDenied, TidemarkError
from tidemark.shards import Address, Topology
from tidemark.steps import sources


@dataclass(frozen=True, slots=True)
class Line:
    """A shard as configured, and what its source said."""

    name: str
    servers: tuple[str, ...]
    """Every server that can be its primary, ``host:port``."""
    user: str
    flavour: str
    first_backup: str
    source: str | None = None
    """Where a run would take its transactions from now, ``host:port``; None when nobody was asked, or none is fit."""
    version: str | None = None
    """The source's version, once it was asked."""
    problem: str | None = None
    """Why no source can serve a backup; empty when one can, None when nobody was asked."""
    too_much: tuple[str, ...] = ()
    """What the account may do and Tidemark does not need: a warning."""
    warnings: tuple[str, ...] = ()
    """What may make copies of it differ."""
    revoke: str = ""
    """The statement that takes it away."""


@click.command("shards", epilog="\b\nExamples:\n  tidemark shards\n  tidemark shards --check")
@click.option("--check", is_flag=True, help="Ask every primary whether it can serve a backup; exit status 1 if not.")
@common_options
@json_option
def command(check: bool, as_json: bool) -> None:
    """List the shards, and every server that can be the primary of each.

    --check names every right that an account lacks, with the GRANT to type, and what it may do beyond its need.
    """
    path = config_path()
    known = shards.current(path)
    lines = [_line(known, shard) for shard in known.shards()]
    if check:
        with ThreadPoolExecutor(16) as pool:
            lines = list(pool.map(lambda line, shard: _ask(line, shard, path), lines, known.shards()))
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        _print(lines, check)
    if bad := [line.name for line in lines if line.problem]:
        raise RunError(f"{len(bad)} of {len(lines)} primaries cannot serve a backup: {', '.join(bad[:8])}")


def _line(known: Topology, shard: ShardSettings) -> Line:
    servers = tuple(str(address) for address in known.servers(shard.name).candidates)
    return Line(shard.name, servers, shard.user, shard.flavour, shard.first_backup)


def _ask(line: Line, shard: ShardSettings, path: Path) -> Line:
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
            mysql.zone_of(source.session, shard.time_zone, str(found))
            return dataclasses.replace(
                line,
                flavour=source.flavour,
                source=str(Address(found.host, found.port)),
                version=source.version,
                problem="",
                warnings=source.warnings(),
                too_much=rights.too_much,
                revoke=rights.revoke,
            )
    except TidemarkError as error:
        return dataclasses.replace(line, problem=str(error))


def _print(lines: list[Line], check: bool) -> None:
    print_table(
        ["shard", "servers", "account", "flavour", "first backup"] + (["source says"] if check else []),
        [
            [line.name, line.source or ", ".join(line.servers), line.user, line.flavour, line.first_backup]
            + ([_verdict(line)] if check else [])
            for line in lines
        ],
    )
    for line in lines:
        for warning in line.warnings:
            console.print(f"{line.name}: {warning}", style="yellow", markup=False, soft_wrap=True)
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
