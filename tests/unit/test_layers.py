"""Imports run one way: this is what keeps the rooms apart. Imports inside functions and for types alone count."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]

GROUND = {"errors", "progress", "files", "direct_io", "disk", "results", "__version__"}
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
    "exporter": GROUND | {"config", "fleet"},
    "alerts": GROUND | {"config", "fleet"},
    "queue": GROUND | {"config", "fleet", "steps"},
    "web": GROUND | {"config", "fleet", "queue"},
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


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "tidemark").parts[0].removesuffix(".py")


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


MODULES = sorted(path for path in (ROOT / "tidemark").rglob("*.py") if path != ROOT / "tidemark" / "__init__.py")
TASKS = sorted((ROOT / "tasks").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=_shown)
def test_a_module_imports_only_rooms_that_its_own_may_know(path: Path) -> None:
    room = _room(path)
    seen = {name.split(".")[1] for name in _imported(path) if name.startswith("tidemark.")}

    assert seen - {room} <= MAY_KNOW[room]


@pytest.mark.parametrize("path", MODULES, ids=_shown)
def test_each_vendor_has_its_rooms_and_the_engine_knows_no_tasks(path: Path) -> None:
    vendors = {name.split(".")[0] for name in _imported(path)}

    assert {vendor for vendor in vendors & VENDORS.keys() if _room(path) not in VENDORS[vendor]} == set()


@pytest.mark.parametrize("path", TASKS, ids=_shown)
def test_no_task_knows_flower_or_the_page(path: Path) -> None:
    names = set(_imported(path))

    assert not {name.split(".")[0] for name in names} & {"flower", "tornado"}
    assert not {name for name in names if name.startswith(("tidemark.web", "tidemark.cli"))}


def test_no_import_goes_round_in_a_circle_between_files() -> None:
    assert _circles(_imports_of_files()) == []


def test_no_import_goes_round_in_a_circle_between_the_folders_of_a_room() -> None:
    folders: dict[str, set[str]] = {}
    for module, others in _imports_of_files().items():
        for other in others:
            here, there = _places(module, other)
            if here != there:
                folders.setdefault(here, set()).add(there)

    assert _circles(folders) == []


def test_the_search_for_circles_finds_them() -> None:
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def _imports_of_files() -> dict[str, set[str]]:
    """Every module, and the modules that it imports; a package stands for its ``__init__``, which imports what it
    gathers and is not counted as an import of what it is asked for."""
    names = {_dotted(path): path for path in (*MODULES, *TASKS)}
    found: dict[str, set[str]] = {}
    for module, path in names.items():
        there = set()
        for name in _imported(path):
            exact = name if name in names else name.rpartition(".")[0]
            if exact in names and exact != module:
                there.add(exact)
        found[module] = there
    return found


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _places(module: str, other: str) -> tuple[str, str]:
    """The two folders, or files, in which the ways of two modules part."""
    ours, theirs = module.split("."), other.split(".")
    pairs = enumerate(zip(ours, theirs, strict=False))
    shared = next((i for i, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
    return ".".join(ours[: shared + 1]), ".".join(theirs[: shared + 1])


def _circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups whose members reach one another, each sorted."""
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reach[node] if node in reach.get(other, ()))) for node in graph}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    todo: Iterable[str] = graph.get(start, ())
    while todo:
        found |= set(todo)
        todo = {other for node in todo for other in graph.get(node, ())} - found
    return found
