"""What a message may say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from tasks.arguments import Sentence, TaskId, check
from tidemark.config import Settings, ShardName
from tidemark.errors import ConfigError, UnknownShard
from tidemark.steps import RunId

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
RUN = "20261126T010203Z-0a1b2c3d"

HOSTILE_NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "a/../b",
    "a/b/c",
    "a/b\n",
    "a/b\x00",
    "a",
    "",
    "./b",
    "keys/b",
    "a/" + "b" * 64,
    "a/b; rm -rf /",
    "{{a}}/b",
]
HOSTILE_RUNS = ["..", "../" + RUN, RUN + "/..", RUN + "\n", RUN.upper(), "", "*", RUN.replace("2", "２")]
NOT_TEXT: list[object] = [None, 1, True, ["a/b"], {"shard": "a/b"}]


def task(self: object, shard: ShardName, run_id: RunId, how: Literal["a", "b"] = "a", times: int = 1) -> None:
    """The annotations are what is checked."""


class Bound:
    run = task


def call(*args: object, **kwargs: object) -> None:
    check("tasks.task", Bound().run, args, kwargs, None)


def test_what_could_be_meant_is_let_through() -> None:
    call("a/-80", RUN)
    call("a/b", RUN, "b", times=3)
    call(shard="a/b", run_id=RUN)


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, *NOT_TEXT])
def test_a_shard_is_a_name_and_never_a_path(name: object) -> None:
    with pytest.raises(ConfigError, match=r"tasks\.task: shard is "):
        call(name, RUN)


@pytest.mark.parametrize("run", [*HOSTILE_RUNS, *NOT_TEXT])
def test_a_run_is_an_id_and_never_a_path(run: object) -> None:
    with pytest.raises(ConfigError, match=r"tasks\.task: run_id is "):
        call("a/b", run)


@pytest.mark.parametrize("wrong", [{"how": "c"}, {"how": None}, {"times": "1"}, {"times": True}, {"times": 1.5}])
def test_other_arguments_are_of_their_types(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"tasks\.task: {next(iter(wrong))} is "):
        call("a/b", RUN, **wrong)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), (("a/b",), {}), (("a/b", RUN), {"folder": "/etc"}), ("abcde", {})]
)
def test_there_are_no_other_arguments(args: tuple[object, ...], kwargs: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="cannot be called like this"):
        call(*args, **kwargs)


def test_a_shard_must_be_configured() -> None:
    settings = Settings.model_validate(
        {
            "repository": {"url": "file:///r", "key_file": "k"},
            "node": {"scratch": "s"},
            "shard": [{"name": "a/b", "host": "h", "user": "u", "password_file": "p"}],
        }
    )
    check("tasks.task", Bound().run, ("a/b", RUN), {}, settings)
    with pytest.raises(UnknownShard, match="a/c"):
        check("tasks.task", Bound().run, ("a/c", RUN), {}, settings)


def test_a_long_value_is_not_repeated_as_a_whole() -> None:
    with pytest.raises(ConfigError) as caught:
        call("x" * 100_000, RUN)
    assert len(str(caught.value)) < 500


PROGRAM = """
import inspect, typing
from tasks import app
from tasks.base import FleetTask
app.loader.import_default_modules()
for name, task in sorted(app.tasks.items()):
    if not name.startswith("tasks."):
        continue
    assert isinstance(task, FleetTask), name
    function = inspect.unwrap(task.run.__func__)
    hints = typing.get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(task.run).parameters:
        kind = hints[parameter]
        assert kind not in (str, typing.Any, dict, list), f"{name} takes any {parameter}"
        print(name, parameter)
"""


def test_every_argument_of_every_task_says_what_it_can_be(tmp_path: Path) -> None:
    """A plain text could be anything."""
    file = tmp_path / "tidemark.toml"
    file.write_text(
        '[repository]\nurl = "file:///r"\nkey_file = "k"\n[node]\nscratch = "s"\n'
        '[[shard]]\nname = "a/b"\nhost = "h"\nuser = "u"\npassword_file = "p"\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"TIDEMARK_CONFIG": str(file)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"tasks.backup shard", "tasks.cleanup run_id", "tasks.upload run_id"} <= set(done.stdout.splitlines())


def test_sentences_and_ids_have_an_end() -> None:
    def told(failed_id: TaskId | None, reason: Sentence = "") -> None:
        """As the cleanup takes them."""

    check("tasks.told", told, ("9b0c-1", "what happened: /anything\n"), {}, None)
    check("tasks.told", told, (None,), {}, None)
    for args in (("../x",), ("",), ("x" * 129,), (None, "x" * 4001)):
        with pytest.raises(ConfigError):
            check("tasks.told", told, args, {}, None)
