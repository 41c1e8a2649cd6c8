"""``tidemark backup``: the four steps here and now."""

from __future__ import annotations

import click

from tidemark.cli.bars import StepBars
from tidemark.cli.context import common_options, config_path, json_option, load_settings, shard_argument
from tidemark.cli.output import facts, print_json, size
from tidemark.results import StepResult
from tidemark.steps import CatchupResult, RestoreResult, UploadResult, alone

EPILOG = """\b
Examples:
  tidemark backup commerce/-80
  tidemark backup commerce/-80 --first-backup clone   for a shard without a backup
  tidemark backup commerce/-80 --json                 for cron and scripts
"""


@click.command("backup", epilog=EPILOG)
@shard_argument
@click.option(
    "--first-backup",
    type=click.Choice(["clone", "replay", "empty", "refuse"]),
    help="What to do when the shard has no backup yet (instead of what the configuration says).",
)
@click.option("--force", is_flag=True, help="Also when the newest backup is younger than cycle.min_interval.")
@common_options
@json_option
def command(shard: str, first_backup: str | None, force: bool, as_json: bool) -> None:
    """Back up SHARD here and now: restore, catch up, stop, upload. Needs no broker and no fleet.

    Ends with exit status 0 only after the new backup's manifest could be read back, or when there was nothing to do.
    """
    settings = load_settings()
    with StepBars() as bars:

        def finished(result: StepResult) -> None:
            bars.finish(result.step, result.seconds, _note(result))

        result = alone.run(
            settings,
            config_path(),
            shard,
            alone.Audience(progress=bars.step, finished=finished),
            first_backup=first_backup,
            force=force,
        )
    if as_json:
        print_json(result.model_dump())
    elif result.skipped:
        facts.print(f"Nothing to do. {result.skipped}", soft_wrap=True)
    else:
        facts.print(
            f"{shard}: backup {result.number} is complete: {size(result.bytes)}, of which {size(result.stored_bytes)} "
            f"were stored anew; position {result.position or '(none)'}",
            soft_wrap=True,
        )
        for mirror in result.mirrors:
            if mirror.error:
                facts.print(f"The mirror {mirror.url} is not level: {mirror.error}", soft_wrap=True)
        if result.prune_error:
            facts.print(f"Pruning failed and is tried again by the next backup: {result.prune_error}", soft_wrap=True)


def _note(result: StepResult) -> str:
    if result.skipped:
        return "nothing to do"
    match result:
        case RestoreResult(first_backup=str(policy)):
            return f"first backup by {policy}"
        case RestoreResult(backup=int(number)):
            return f"backup {number}"
        case CatchupResult():
            return f"{result.transactions:,} transactions"
        case UploadResult():
            return f"backup {result.number}, {size(result.stored_bytes)} stored"
        case _:
            return ""
