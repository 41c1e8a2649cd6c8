"""Imports run one way: this is what keeps the rooms apart. Imports inside functions and for types alone count."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.imports import MODULES, ROOT, TASKS, between_files, between_folders, circles, imported, table

pytestmark = pytest.mark.unit

MOST_MODULES = 16
"""Beyond about fifteen a folder gets rooms with names."""

PACKAGES = sorted(path for path in (*MODULES, *TASKS, ROOT / "tidemark" / "__init__.py") if path.stem == "__init__")

GROUND = {"errors", "progress", "files", "direct_io", "disk", "results", "holdings", "__version__"}
"""What every room may know: values and the operating system, without a room of their own."""

TOOLS = GROUND | {"config", "storage", "repository", "mysql", "shards", "wiring", "page_inspector"}
"""What a step joins."""

MAY_KNOW = {
    "__main__": {"cli"},
    "errors": set(),
    "progress": {"disk"},
    "files": {"errors"},
    "direct_io": set(),
    "disk": {"errors", "files"},
    "results": {"errors"},
    "holdings": set(),
    "planning": {"results"},
    "config": GROUND,
    "storage": GROUND,
    "repository": GROUND | {"storage"},
    "mysql": GROUND,
    "shards": GROUND | {"config"},
    "fleet": GROUND | {"config"},
    "page_inspector": {"mysql", "repository"},
    "wiring": GROUND | {"config", "storage", "repository", "mysql", "shards"},
    "maintenance": TOOLS,
    "steps": TOOLS | {"maintenance"},
    "recovery": TOOLS,
    "exporter": GROUND | {"config", "shards", "fleet"},
    "alerts": GROUND | {"config", "shards", "fleet"},
    "queue": GROUND | {"config", "shards", "fleet", "steps"},
    "web": GROUND | {"config", "shards", "fleet", "queue"},
    "cli": TOOLS | {"maintenance", "steps", "recovery", "fleet", "alerts", "exporter", "planning", "queue", "web"},
}
"""The rooms, and whom each may import."""

VENDORS = {
    "celery": {"queue"},
    "kombu": {"queue"},
    "billiard": set(),
    "flower": {"web"},
    "tornado": {"web"},
    "redis": {"fleet", "queue"},
    "boto3": {"storage", "repository"},
    "botocore": {"storage", "repository"},
    "google": {"storage", "repository"},
    "MySQLdb": {"mysql"},
    "tasks": set(),
}
"""The rooms of ``tidemark`` that may import these at all."""


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "tidemark").parts[0].removesuffix(".py")


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=_shown)
def test_a_module_imports_only_rooms_that_its_own_may_know(path: Path) -> None:
    room = _room(path)
    seen = {name.split(".")[1] for name in imported(path) if name.startswith("tidemark.")}

    assert seen - {room} <= MAY_KNOW[room]


@pytest.mark.parametrize("path", MODULES, ids=_shown)
def test_each_vendor_has_its_rooms_and_the_engine_knows_no_tasks(path: Path) -> None:
    vendors = {name.split(".")[0] for name in imported(path)}

    assert {vendor for vendor in vendors & VENDORS.keys() if _room(path) not in VENDORS[vendor]} == set()


@pytest.mark.parametrize("path", TASKS, ids=_shown)
def test_no_task_knows_flower_or_the_page(path: Path) -> None:
    names = set(imported(path))

    assert not {name.split(".")[0] for name in names} & {"flower", "tornado"}
    assert not {name for name in names if name.startswith(("tidemark.web", "tidemark.cli"))}


def test_no_import_goes_round_in_a_circle_between_files() -> None:
    assert circles(between_files()) == []


def test_no_import_goes_round_in_a_circle_between_folders() -> None:
    assert circles(between_folders()) == []


def test_the_search_for_circles_finds_them() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_the_search_for_imports_finds_those_that_hide() -> None:
    graph = between_files()

    assert "tidemark.queue.client" in graph["tidemark.cli.fleet.enqueued"], "inside a function"
    assert graph["tidemark.queue.app"] == set()
    assert len(graph) > 200


@pytest.mark.parametrize("path", [*MODULES, *TASKS, ROOT / "beat_schedule.py"], ids=_shown)
def test_which_shards_there_are_is_asked_of_a_topology(path: Path) -> None:
    if _shown(path) == "tidemark/shards/static.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]

    assert [node.lineno for node in attributes if node.attr == "shard" and _is_settings(node.value)] == []


def _is_settings(node: ast.expr) -> bool:
    """Whether an expression is called ``settings``, or ``_settings``, or is a call of such a name."""
    match node:
        case ast.Call(func=ast.Attribute() | ast.Name() as called):
            return _is_settings(called)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_") in {"settings", "load_settings"}
        case _:
            return False


@pytest.mark.parametrize("init", PACKAGES, ids=_shown)
def test_a_package_says_what_each_of_its_modules_is_for(init: Path) -> None:
    """The table in ``__init__`` is the map of the folder; ``make map`` makes the page of the whole house from these."""
    there = [path.stem for path in init.parent.glob("*.py") if path != init]
    there += [f"{path.name}/" for path in init.parent.iterdir() if (path / "__init__.py").exists()]

    assert list(table(init)) == sorted(there)
    assert len(there) <= MOST_MODULES or init.parent == ROOT / "tidemark"


def test_the_unit_tests_have_the_folders_of_what_they_test() -> None:
    beside = {"deploy", "sandbox", "tasks"}
    folders = [path for path in (ROOT / "tests" / "unit").rglob("*") if path.is_dir() and path.name != "__pycache__"]

    for folder in folders:
        below = folder.relative_to(ROOT / "tests" / "unit")
        assert (ROOT / below if below.parts[0] in beside else ROOT / "tidemark" / below).is_dir(), below
