"""``tidemark keys``: master keys."""

from __future__ import annotations

from pathlib import Path

import click

from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.output import facts, print_json
from tidemark.repository import MasterKey


@click.group("keys")
@common_options
def group() -> None:
    """Make and look after the keys that open the backups."""


@group.command("new", epilog="\b\nExamples:\n  tidemark keys new\n  tidemark keys new --file /etc/tidemark/master.key")
@click.option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; without this, to the configuration's repository.key_file.",
)
@common_options
@json_option
def new(file: Path | None, as_json: bool) -> None:
    """Make a master key and write it to a file of mode 0600. An existing file is never overwritten.

    Without this key no backup can be opened. Keep a copy where a fire that takes the backups does not take it too.
    """
    path = (file or load_settings().repository.key_file).absolute()
    key = MasterKey.generate()
    key.write(path)
    if as_json:
        print_json({"key_id": key.id, "file": str(path)})
        return
    facts.print(f"Master key {key.id} is in {path}.", soft_wrap=True)
    facts.print("Keep a copy of it in a safe place: without it no backup can be opened, by nobody.", soft_wrap=True)
