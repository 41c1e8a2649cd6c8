"""``tidemark keys``: master keys."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from tidemark import wiring
from tidemark.cli.context import common_options, json_option, load_settings
from tidemark.cli.output import console, facts, print_json, print_table
from tidemark.errors import ConfigError, RepositoryError
from tidemark.maintenance import key_check
from tidemark.repository import KnownKey, MasterKey, list_keys, retire, rotate


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
    path = file or load_settings().repository.key_file
    if path is None:
        raise ConfigError(
            "the configuration's [repository] names no key_file",
            "say where to write the key: --file /etc/tidemark/new.key",
        )
    path = path.absolute()
    key = MasterKey.generate()
    key.write(path)
    if as_json:
        print_json({"key_id": key.id, "file": str(path)})
        return
    facts.print(f"Master key {key.id} is in {path}.", soft_wrap=True)
    facts.print("Keep a copy of it in a safe place: without it no backup can be opened, by nobody.", soft_wrap=True)


@group.command(
    "list", epilog="\b\nExamples:\n  tidemark keys list\n  tidemark keys list --json | jq '.[] | select(.opens)'"
)
@common_options
@json_option
def list_(as_json: bool) -> None:
    """List the master keys that are configured here and those that the repository knows."""
    place = load_settings().repository
    keys = list_keys(wiring.find_store(place), wiring.master_keys(place))
    if as_json:
        print_json([asdict(key) for key in keys])
        return
    print_table(
        ["key", "opens", "wraps by", "since (UTC)", "configured"],
        [(key.id or "?", _opens(key), key.algorithm, key.created_at, _configured(key)) for key in keys],
    )


def _opens(key: KnownKey) -> Text:
    return Text("yes", "green") if key.opens else Text(f"no: {key.problem}", "red" if key.today else "yellow")


def _configured(key: KnownKey) -> str:
    return f"{key.where} (today's)" if key.today else key.where or "no"


@group.command("rotate", epilog="\b\nExamples:\n  tidemark keys rotate")
@common_options
@json_option
def rotate_(as_json: bool) -> None:
    """Make today's key open the repository. One small object is written, no backup is touched.

    Today's key is the configuration's key_file, key_env or key_kms. The key before it must still be configured: move
    it to old_key_files, old_key_envs or old_key_kms. It opens the repository as well until it is retired. May be
    interrupted and asked again at any point.
    """
    place = load_settings().repository
    done = rotate(wiring.find_store(place), wiring.master_keys(place))
    if as_json:
        print_json(asdict(done))
        return
    said = "opens the repository now" if done.written else "opens the repository already"
    facts.print(f"Today's key {done.key_id} {said}.", soft_wrap=True)
    for other in done.others:
        facts.print(f"{other} opens it too, until `tidemark keys retire {other}`.", soft_wrap=True)


@group.command("retire", epilog="\b\nExamples:\n  tidemark keys retire 5f0c6d6a0e8f1c22")
@click.argument("key_id", metavar="KEY")
@common_options
@json_option
def retire_(key_id: str, as_json: bool) -> None:
    """Let KEY open the repository no longer. Refused for today's key, and while today's key does not open it."""
    place = load_settings().repository
    retire(wiring.find_store(place), wiring.master_keys(place), key_id)
    if as_json:
        print_json({"retired": key_id})
        return
    facts.print(f"{key_id} does not open the repository any more.", soft_wrap=True)
    facts.print(
        "Whoever has read its key object and holds the key can still open copies of the backups.", soft_wrap=True
    )


@group.command("check", epilog="\b\nExamples:\n  tidemark keys check\n  tidemark keys check --json")
@common_options
@json_option
def check(as_json: bool) -> None:
    """Prove that today's key alone opens the newest backup of every shard; exit status 1 if not.

    Reads each newest manifest and one piece of its data. `tidemark verify` reads all of it.
    """
    settings = load_settings()
    findings = key_check.run(settings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ["shard", "backup", "opened by today's key"],
            [
                (
                    finding.shard,
                    finding.backup or "-",
                    Text(finding.problem, "red")
                    if finding.problem
                    else Text("yes" if finding.backup else "no backup yet"),
                )
                for finding in findings
            ],
        )
    bad = [finding.shard for finding in findings if finding.problem]
    if bad:
        raise RepositoryError(
            f"today's key does not open the newest backup of {len(bad)} of {len(findings)} shards: {', '.join(bad[:8])}"
        )
    console.print("Keep a copy of the key away from the backups.", style="dim")
