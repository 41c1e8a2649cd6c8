"""``tidemark config check``: is everything in place?"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import click
from rich.text import Text

from tidemark import files, wiring
from tidemark.alerts import Webhook
from tidemark.cli.context import common_options, config_path, json_option, load_settings
from tidemark.cli.output import facts, print_json
from tidemark.config import RepositorySettings, Settings, ShardSettings
from tidemark.errors import ConfigError, TidemarkError
from tidemark.shards import topology


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    problem: str = ""
    """What is wrong; empty when nothing is."""
    hint: str = ""


@click.group("config")
@common_options
def group() -> None:
    """Look at the configuration."""


@group.command(
    "check", epilog="\b\nExamples:\n  tidemark config check\n  tidemark --config /etc/tidemark.toml config check"
)
@common_options
@json_option
def check(as_json: bool) -> None:
    """Check the configuration and what it names: keys, stores, passwords, scratch folder, programs. Talks to no primary
    (`tidemark shards --check` does)."""
    settings = load_settings()
    findings = list(_look(settings))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        facts.print(f"{config_path()}: {len(topology(settings).names())} shards", soft_wrap=True)
        for finding in findings:
            facts.print(_line(finding), soft_wrap=True)
    if bad := sum(1 for finding in findings if finding.problem):
        raise ConfigError(f"{bad} of {len(findings)} checks failed")


def _line(finding: Finding) -> Text:
    if not finding.problem:
        return Text.assemble(("  ok  ", "green"), finding.what)
    hint = f" HINT: {finding.hint}" if finding.hint else ""
    return Text.assemble(("  BAD ", "bold red"), finding.problem, (hint, "yellow"))


def _look(settings: Settings) -> Iterator[Finding]:
    keys = wiring.master_keys(settings.repository)
    for index, source in enumerate(keys.sources):
        yield _try(f"{'old ' if index else ''}master key: {source.where}", functools.partial(keys.key, index))
    for place in settings.repositories:
        yield _try(f"repository {place.url}", functools.partial(_store, place))
    yield _try(f"scratch folder {settings.node.scratch}", lambda: _scratch(settings))
    if settings.alert.webhook_url_file is not None:
        yield _try(f"webhook of [alert], {settings.alert.webhook_format}", lambda: Webhook.of(settings.alert))
    shards = topology(settings).shards()
    yield from (_password_file(shard) for shard in shards)
    flavours = {shard.flavour for shard in shards}
    yield from (_programs(settings, name) for name in sorted(flavours - {"auto"}))
    if flavours == {"auto"}:
        yield from _any_programs(settings)


def _try(what: str, look: Callable[[], object]) -> Finding:
    try:
        look()
    except TidemarkError as error:
        return Finding(what, error.message, error.hint)
    return Finding(what)


def _password_file(shard: ShardSettings) -> Finding:
    what = f"{shard.name}: password_file"
    return _try(what, lambda: files.read_secret(shard.password_file, what))


def _programs(settings: Settings, flavour: str) -> Finding:
    return _try(f"programs of {flavour}", lambda: wiring.find_flavour(settings, flavour))


def _any_programs(settings: Settings) -> Iterator[Finding]:
    """With ``flavour = "auto"`` the primaries will tell; until then one flavour's programs must do."""
    findings = [_programs(settings, name) for name in ("mysql", "mariadb")]
    found = [finding for finding in findings if not finding.problem]
    yield from found or findings


def _store(place: RepositorySettings) -> None:
    """Whether the store answers. That nothing is there yet is no problem: the first run makes the repository."""
    next(wiring.find_store(place).list("keys/"), None)


def _scratch(settings: Settings) -> None:
    folder = settings.node.scratch
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"the scratch folder {folder} cannot be written (seen at {existing})", "set [node] scratch")
