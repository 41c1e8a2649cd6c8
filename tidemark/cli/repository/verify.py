"""``tidemark verify``: is a backup still what was stored?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from tidemark.cli.bars import StepBars
from tidemark.cli.context import common_options, json_option, load_settings, shard_argument
from tidemark.cli.output import console, facts, print_json, size, span
from tidemark.errors import Damaged
from tidemark.recovery import verify

EPILOG = """\b
Examples:
  tidemark verify commerce/-80                   the newest backup, every block and page
  tidemark verify commerce/-80 --backup 41
  tidemark verify commerce/-80 --sample 5%       a twentieth of the data, another one each time
  tidemark verify commerce/-80 --from 2 --json   on the first mirror
"""
SHOWN = 20
"""Damages that are printed; --json has more."""


class Share(click.ParamType[float]):
    """``5%`` as 0.05."""

    name = "percentage"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            share = float(str(value).removesuffix("%")) / 100
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            self.fail(f"{value!r} is not a percentage above 0% and up to 100%.", param, ctx)
        return share


@click.command("verify", epilog=EPILOG)
@shard_argument
@click.option("--backup", "number", type=click.IntRange(min=1), help="The backup's number; the newest without this.")
@click.option("--from", "source", metavar="URL|N", help="Another of the configured repositories, such as 2.")
@click.option("--sample", type=Share(), default=1.0, metavar="5%", help="Look at this share of the data only.")
@common_options
@json_option
def command(shard: str, number: int | None, source: str | None, sample: float, as_json: bool) -> None:
    """Read SHARD's newest backup, or another one, and check all of it without restoring it.

    Every block is read, authenticated and decompressed, its digest is recomputed, and so is the checksum of every
    InnoDB page. Exit status 1 when anything is damaged.
    """
    settings = load_settings()
    place = settings.find_repository(source) if source else settings.repository
    with StepBars() as bars:
        verdict = verify.run(settings, shard, number=number, place=place, sample=sample, progress=bars.step("verify"))
        found, backup = verdict.found, verdict.backup
        bars.finish("verify", found.seconds, f"backup {backup.number}, {size(found.bytes)}")
    if as_json:
        print_json(
            {"shard": shard, "number": backup.number, "from": verdict.url, "sample": sample, "sound": not found.damages}
            | asdict(found)
        )
    else:
        for damage in found.named[:SHOWN]:
            console.print(Text.assemble(("damaged: ", "bold red"), damage), soft_wrap=True)
        facts.print(
            f"{shard}: backup {backup.number} in {verdict.url}: {size(found.bytes)} of {size(backup.bytes)} checked in "
            f"{span(found.seconds)}, {found.pages} InnoDB pages, {found.unchecked_pages} without a checksum",
            soft_wrap=True,
        )
    if found.damages:
        raise Damaged(
            f"{shard}: backup {backup.number} is damaged: {found.damages} findings, first: {found.named[0]}",
            "the next run falls back to the newest sound backup; verify the older ones, and the mirrors with --from",
        )
