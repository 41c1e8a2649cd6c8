"""``tidemark completion``: the shell completes commands, options and the configured shards."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tidemark.cli.context import common_options

EPILOG = """\b
Examples:
  tidemark completion bash > /etc/bash_completion.d/tidemark
  tidemark completion zsh > "${fpath[1]}/_tidemark"
  tidemark completion fish > ~/.config/fish/completions/tidemark.fish
"""

VARIABLE = "_TIDEMARK_COMPLETE"


@click.command("completion", epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
def command(shell: str) -> None:
    """Print what SHELL needs to complete tidemark's commands, options, and the shards of the configuration."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click knows nothing of {shell}")
    script = made(click.get_current_context().find_root().command, {}, "tidemark", VARIABLE)
    # click's bash class asks the installed bash for its version; the text itself needs none.
    click.echo(script.source_template % script.source_vars())
