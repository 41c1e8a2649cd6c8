"""Imports run one way: this is what keeps the rooms apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

PLAIN = {"errors", "progress", "files", "direct"}
"""What every room may know: values without a room of their own."""

MAY_KNOW = {
    "__main__": {"cli"},
    "errors": set(),
    "progress": set(),
    "files": {"errors"},
    "direct": set(),
    "planning": set(),
    "config": PLAIN,
    "storage": PLAIN,
    "repository": PLAIN | {"storage"},
    "mysql": PLAIN,
    "shards": PLAIN | {"config"},
    "fleet": PLAIN | {"config"},
    "web": PLAIN | {"config", "fleet", "steps", "tasks", "cli", "queue"},
    "exporter": PLAIN | {"config", "fleet"},
    "alerts": PLAIN | {"config", "fleet"},
    "queue": PLAIN | {"config", "fleet", "steps"},
    "steps": PLAIN | {"config", "storage", "repository", "mysql", "shards"},
    "cli": PLAIN
    | {
        "config",
        "storage",
        "repository",
        "mysql",
        "shards",
        "steps",
        "fleet",
        "alerts",
        "tasks",
        "web",
        "queue",
        "planning",
        "exporter",
    },
}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "tidemark").parts[0].removesuffix(".py")


MODULES = sorted(
    path for path in (ROOT / "tidemark").rglob("*.py") if path.parent != ROOT / "tidemark" or path.stem != "__init__"
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_rooms_that_its_own_may_know(path: Path) -> None:
    room = _room(path)
    seen = {name.split(".")[1] for name in _imported(path) if name.startswith("tidemark.")}

    assert seen - {room, "__version__"} <= MAY_KNOW[room]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_engine_knows_no_celery_and_no_flower_and_only_the_fleet_knows_redis(path: Path) -> None:
    vendors = {name.split(".")[0] for name in _imported(path)}
    room = _room(path)

    assert room in {"cli", "web", "queue"} or not vendors & {"celery", "kombu", "billiard", "tasks"}
    assert room in {"fleet", "cli", "queue"} or "redis" not in vendors
    assert room == "web" or not vendors & {"flower", "tornado"}


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_task_knows_flower(path: Path) -> None:
    vendors = {name.split(".")[0] for name in _imported(path)}

    assert not vendors & {"flower", "tornado"}
