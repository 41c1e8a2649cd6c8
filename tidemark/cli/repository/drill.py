"""``tidemark drill``: does it come back, and how long does that take?"""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from tidemark.cli.bars import StepBars
from tidemark.cli.context import common_options, json_option, load_settings, shard_argument
from tidemark.cli.output import console, facts, print_json, size
from tidemark.errors import RepositoryError
from tidemark.recovery import drill

EPILOG = """\b
Examples:
  tidemark drill commerce/-80
  tidemark drill commerce/-80 --backup 41
  tidemark drill commerce/-80 --from 2 --json    from the first mirror
"""
SHOWN = 20
"""Findings that are printed; --json has all."""


@click.command("drill", epilog=EPILOG)
@shard_argument
@click.option("--backup", "number", type=click.IntRange(min=1), help="The backup's number; the newest without this.")
@click.option("--from", "source", metavar="URL|N", help="Another of the configured repositories, such as 2.")
@common_options
@json_option
def command(shard: str, number: int | None, source: str | None, as_json: bool) -> None:
    """Rehearse SHARD's recovery: restore into scratch, start a server, CHECK TABLE on everything, remove it again.

    Tells the real time to recover. Exit status 1 when anything is wrong.
    """
    settings = load_settings()
    place = settings.find_repository(source) if source else settings.repository
    with StepBars() as bars:
        done = drill.run(settings, shard, number=number, place=place, progress=bars.step("drill"))
        bars.finish("drill", done.recovery_seconds + done.check_seconds, f"backup {done.backup.number}")
    if as_json:
        print_json(_as_json(shard, done))
    else:
        for problem in done.problems[:SHOWN]:
            console.print(Text.assemble(("problem: ", "bold red"), problem), soft_wrap=True)
        facts.print(_sentence(shard, done), soft_wrap=True)
    if done.problems:
        found = f"{len(done.problems)} findings, first: {done.problems[0]}"
        raise RepositoryError(
            f"{shard}: backup {done.backup.number} is not good: {found}",
            f"tidemark verify {shard} --backup {done.backup.number} tells whether the repository has been damaged",
        )


def _sentence(shard: str, done: drill.Drilled) -> str:
    return (
        f"{shard}: backup {done.backup.number} ({size(done.backup.bytes)}) came back in "
        f"{done.recovery_seconds:.1f} s: {done.restore_seconds:.1f} s to restore ({size(_rate(done))}/s), "
        f"{done.start_seconds:.1f} s until its server answered; {done.tables} tables checked in "
        f"{done.check_seconds:.1f} s"
    )


def _rate(done: drill.Drilled) -> int:
    return int(done.backup.bytes / max(done.restore_seconds, 0.001))


def _as_json(shard: str, done: drill.Drilled) -> dict[str, Any]:
    return {
        "shard": shard,
        "number": done.backup.number,
        "from": done.url,
        "position": done.backup.position,
        "bytes": done.backup.bytes,
        "fetched_bytes": done.fetched_bytes,
        "recovery_seconds": done.recovery_seconds,
        "restore_seconds": done.restore_seconds,
        "start_seconds": done.start_seconds,
        "check_seconds": done.check_seconds,
        "bytes_per_second": _rate(done),
        "tables": done.tables,
        "problems": list(done.problems),
        "good": not done.problems,
    }
