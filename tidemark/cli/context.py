"""What every command is given: where the configuration is, and how talkative to be."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.logging import RichHandler

from tidemark import config
from tidemark.cli.output import console
from tidemark.errors import TidemarkError
from tidemark.shards import topology

Function = TypeVar("Function", bound=Callable[..., Any])


def common_options(function: Function) -> Function:
    """``--config`` and ``--debug``, before a command's name or behind it."""
    function = click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        expose_value=False,
        callback=_remember("config"),
        help="The configuration file.",
    )(function)
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_remember("debug"),
        help="Show what happens inside, and tracebacks.",
    )(function)


def json_option(function: Function) -> Function:
    """``--json``: the same facts for programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def _remember(key: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
        shared = ctx.ensure_object(dict)
        if value:
            shared[key] = value
            if key == "debug":
                _log_to_terminal()
        return value

    return callback


def _log_to_terminal() -> None:
    handler = RichHandler(console=console, show_path=False, rich_tracebacks=True)
    logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s", handlers=[handler], force=True)


def config_path() -> Path:
    """The configuration file of this call."""
    return config.config_path(click.get_current_context().ensure_object(dict).get("config"))


def load_settings() -> config.Settings:
    """The configuration of this call, validated."""
    return config.load(config_path())


def prepare_celery() -> None:
    """To be called before the first import of ``tasks``: the Celery application reads this call's configuration while
    it is imported. Import it where it is needed only, for that takes a while."""
    os.environ[config.ENVIRONMENT_VARIABLE] = str(config_path())


def complete_shards(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The configured shards that begin so, for the shell; none when there is no usable configuration."""
    shared = ctx.find_root().params | (ctx.find_root().obj or {})
    try:
        settings = config.load(config.config_path(shared.get("config")))
    except TidemarkError:
        return []
    return [name for name in topology(settings).names() if name.startswith(incomplete)]


def shard_argument(function: Function) -> Function:
    """One SHARD, which the shell completes."""
    return click.argument("shard", shell_complete=complete_shards)(function)
