"""``tidemark``: the commands, and what every one of them does about errors."""

from __future__ import annotations

import difflib
import importlib
import signal
import sys
from types import FrameType
from typing import Any

import click

from tidemark import __version__
from tidemark.cli.context import common_options
from tidemark.cli.output import console, fail
from tidemark.cli.pauses import pauses
from tidemark.errors import TidemarkError

COMMANDS = {
    "backup": "repository.backup.command",
    "backups": "repository.backups.command",
    "cancel": "fleet.cancel.command",
    "completion": "setup.completion.command",
    "config": "setup.check.group",
    "drill": "repository.drill.command",
    "exporter": "fleet.exporter.command",
    "janitor": "fleet.janitor.command",
    "keys": "repository.keys.group",
    "logs": "fleet.logs.command",
    "mirror": "repository.mirror.command",
    "nodes": "fleet.nodes.command",
    "notify": "fleet.notify.command",
    "plan": "fleet.plan.command",
    "prune": "repository.prune.command",
    "queue": "fleet.queue.command",
    "restore": "repository.restore.command",
    "retry": "fleet.retry.command",
    "run": "fleet.run.command",
    "shards": "setup.shards.command",
    "show": "fleet.show.command",
    "status": "fleet.status.command",
    "users": "setup.users.group",
    "verify": "repository.verify.command",
}
"""Every command, and where it is: loaded when it is called, because all of them together take most of a second."""


class Group(click.Group):
    """Loads commands when they are called, and turns Tidemark's errors into one clear message and exit status 1; a
    traceback only with ``--debug``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module, _, attribute = COMMANDS[cmd_name].rpartition(".")
            self.add_command(getattr(importlib.import_module(f"tidemark.cli.{module}"), attribute))
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            if not near:
                raise
            raise click.UsageError(f'{error.message} Did you mean "{near[0]}"?', ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TidemarkError as error:
            if (ctx.obj or {}).get("debug"):
                console.print_exception()
            fail(error)
        except KeyboardInterrupt:
            click.echo("tidemark: interrupted", err=True)
            raise SystemExit(130) from None
        except BrokenPipeError:
            sys.stderr.close()  # whoever read our output has gone; nothing is left to be told
            raise SystemExit(1) from None


EPILOG = """\b
Examples:
  tidemark keys new                          make the master key
  tidemark config check                      is everything in place?
  tidemark backup commerce/-80               back up one shard, here and now
  tidemark run commerce/-80 --wait           have the fleet do it
  tidemark status                            is every shard safe, and what is running?
  tidemark show commerce/-80                 all about this one
  tidemark backups commerce/-80              what there is
  tidemark verify commerce/-80               is it still what was stored?
  tidemark restore commerce/-80 --to /srv/restored
"""


@click.group(cls=Group, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tidemark")
@common_options
def cli() -> None:
    """Full physical backups of sharded MySQL and MariaDB, without reading them from the serving primaries.

    The configuration is the file given with --config, else the one that $TIDEMARK_CONFIG names, else
    ./tidemark.toml.
    """


def main() -> None:
    """The entry point. SIGTERM ends a command like Ctrl-C does: what it started is stopped and removed."""
    signal.signal(signal.SIGTERM, _terminate)
    pauses.listen()
    try:
        cli(prog_name="tidemark")
    except _Terminated:
        click.echo("tidemark: terminated", err=True)
        sys.exit(143)


class _Terminated(BaseException):
    """SIGTERM came."""


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated
