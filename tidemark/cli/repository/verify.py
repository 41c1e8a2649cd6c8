"""``tidemark verify``: is a backup still what was stored?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from tidemark.cli.bars import StepBars
from tidemark.cli.context import common_options, json_option, load_settings, shard_argument
from tidemark.cli.output import console, facts, print_json, size, span
from tidemark.config import RepositorySettings, Settings
from tidemark.errors import Damaged
from tidemark.recovery import verify
from tidemark.repository import VerifiedAll
from tidemark.steps.run import Known, Seen

EPILOG = """\b
Examples:
  tidemark verify commerce/-80                   the newest backup, every block and page
  tidemark verify commerce/-80 --backup 41
  tidemark verify commerce/-80 --sample 5%       a twentieth of the data, another one each time
  tidemark verify commerce/-80 --from 2 --json   on the first mirror
  tidemark verify commerce/-80 --all             all backups, and what belongs to none
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
@click.option("--all", "everything", is_flag=True, help="Every manifest, every pack once, and what belongs to nothing.")
@common_options
@json_option
def command(shard: str, number: int | None, source: str | None, sample: float, everything: bool, as_json: bool) -> None:
    """Read SHARD's newest backup, or another one, and check all of it without restoring it.

    Every block is read, authenticated and decompressed, its digest is recomputed, and so is the checksum of every
    InnoDB page. Exit status 1 when anything is damaged. --all looks at all backups, whether they follow one another,
    whether the newest one that this node has seen is there, and at the sizes of all objects.
    """
    settings = load_settings()
    if everything and number:
        raise click.UsageError("--all and --backup do not go together.")
    place = settings.find_repository(source) if source else settings.repository
    if everything:
        _verify_all(settings, shard, place, sample, as_json)
        return
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


def _verify_all(settings: Settings, shard: str, place: RepositorySettings, sample: float, as_json: bool) -> None:
    with StepBars() as bars:
        found = verify.run_all(settings, shard, place=place, sample=sample, progress=bars.step("verify"))
        bars.finish("verify", found.seconds, f"{len(found.backups)} backups, {size(found.bytes)}")
    # A mirror is allowed to lag behind; what this node remembers is of the repository that counts.
    remembered = Known(settings, shard).seen() if place is settings.repository else None
    lost = _compare(remembered, found)
    named, damages = (*lost, *found.named), found.damages + len(lost)
    if as_json:
        newest = found.newest.number if found.newest else None
        print_json(
            {"shard": shard, "from": place.url, "sample": sample, "sound": not damages}
            | asdict(found)
            | {"newest": newest, "damages": damages, "named": named}
        )
    else:
        for damage in named[:SHOWN]:
            console.print(Text.assemble(("damaged: ", "bold red"), damage), soft_wrap=True)
        for name in found.alien[:SHOWN]:
            console.print(Text.assemble(("belongs to nothing: ", "yellow"), name), soft_wrap=True)
        facts.print(
            f"{shard}: {len(found.backups)} backups in {place.url}: {size(found.bytes)} checked in "
            f"{span(found.seconds)}, {found.packs} packs, {found.pages} InnoDB pages, "
            f"{found.unchecked_pages} without a checksum; {found.unreferenced_packs} packs "
            f"({size(found.unreferenced_bytes)}) that no backup refers to",
            soft_wrap=True,
        )
    if damages:
        unsound = f" (backups {', '.join(map(str, found.unsound))})" if found.unsound else ""
        raise Damaged(
            f"{shard}: {damages} {'finding' if damages == 1 else 'findings'}{unsound}, first: {named[0]}",
            "restore backups that are not named; look at the mirrors with --from; the next run stores lost packs again",
        )


def _compare(remembered: Seen | None, found: VerifiedAll) -> tuple[str, ...]:
    """What this node has seen of the shard and is not there any more."""
    if remembered is None:
        return ()
    newest = found.newest
    if newest is None or newest.number < remembered.number:
        there = f"the newest that can be read is {newest.number}" if newest else "none can be read"
        return (f"backup {remembered.number}, which this node has seen, is gone: {there}",)
    if newest.number == remembered.number and remembered.digest not in {"", newest.digest}:
        return (f"backup {newest.number} is another one than this node has seen under its number",)
    return ()
