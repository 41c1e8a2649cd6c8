"""Every command explains itself, and the shell can complete it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tidemark.cli.main import cli
from tidemark.repository import MasterKey

pytestmark = pytest.mark.unit


def walk(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that call it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*words, name))
    else:
        yield words, command


COMMANDS = list(walk(cli))
IDS = [" ".join(words) for words, _ in COMMANDS]


def test_a_command_is_loaded_under_the_name_that_it_has_itself() -> None:
    context = click.Context(cli)
    names = cli.list_commands(context)

    assert {"backup", "config", "status"} <= set(names)
    assert [getattr(cli.get_command(context, name), "name", None) for name in names] == names
    assert cli.get_command(context, "nonsense") is None


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=IDS)
def test_every_command_that_reports_something_can_do_so_for_programs(
    words: tuple[str, ...], command: click.Command
) -> None:
    """``completion`` prints a script, and ``exporter`` serves."""
    options = {name for parameter in command.params for name in parameter.opts}

    assert ("--json" in options) == (words not in {("completion",), ("exporter",)})


def test_a_misspelt_command_is_told_what_it_may_have_been() -> None:
    done = CliRunner().invoke(cli, ["stauts"])

    assert done.exit_code == 2
    assert 'Did you mean "status"?' in done.output
    assert "Did you mean" not in CliRunner().invoke(cli, ["xyzzy"]).output


def test_a_command_does_not_wait_for_what_others_need() -> None:
    """``tidemark status`` is typed often, and talks to Redis alone."""
    code = "import sys; from tidemark.cli.main import cli; cli.get_command(None, 'logs'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "tidemark.cli.fleet.logs" in loaded
    assert not {"celery", "boto3", "MySQLdb", "tidemark.cli.repository.backup"} & set(loaded)


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=IDS)
def test_every_command_explains_itself_with_examples(words: tuple[str, ...], command: click.Command) -> None:
    done = CliRunner().invoke(cli, [*words, "--help"])

    assert done.exit_code == 0
    assert "Examples:" in done.output
    assert f"  tidemark {' '.join(words)}" in done.output, "an example calls the command"
    assert (command.help or "").strip()
    undocumented = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not undocumented


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=IDS)
def test_every_shard_argument_is_completed(words: tuple[str, ...], command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Argument) and parameter.name in {"shard", "shards"}:
            assert parameter._custom_shell_complete is not None


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    MasterKey.generate().write(tmp_path / "master.key")
    path = tmp_path / "tidemark.toml"
    shards = [f'[[shard]]\nname = "{name}"\nhost = "h"' for name in ("commerce/-80", "commerce/80-", "users/0")]
    head = (
        f'[repository]\nurl = "file://{tmp_path}/r"\nkey_file = "master.key"\n[node]\nscratch = "s"\n'
        '[defaults]\nuser = "u"\npassword_file = "p"\n'
    )
    path.write_text(head + "\n".join(shards) + "\n")
    return path


def complete(line: str) -> list[str]:
    """What bash would be offered at the end of a line."""
    words = line.split(" ")
    variables = {"_TIDEMARK_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = CliRunner().invoke(cli, [], prog_name="tidemark", env=variables)
    return [text.partition(",")[2] for text in done.output.splitlines() if text]


def test_the_shards_of_the_configuration_are_completed(
    configuration: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert complete(f"tidemark --config {configuration} show com") == ["commerce/-80", "commerce/80-"]
    assert complete(f"tidemark restore --config {configuration} us") == ["users/0"]
    monkeypatch.setenv("TIDEMARK_CONFIG", str(configuration))
    assert complete("tidemark run users/0 commerce/8") == ["commerce/80-"]
    monkeypatch.setenv("TIDEMARK_CONFIG", str(tmp_path / "none"))
    assert complete("tidemark show com") == []
    assert "status" in complete("tidemark sta")


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete -o nosort"), ("zsh", "#compdef"), ("fish", "complete")])
def test_every_shell_gets_its_script(shell: str, word: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])

    assert done.exit_code == 0
    assert word in done.output
    assert "_TIDEMARK_COMPLETE" in done.output
