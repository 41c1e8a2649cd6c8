"""Who imports whom in Tidemark's own code, read from its text: imports inside functions and for types alone count."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

MODULES = sorted(path for path in (ROOT / "tidemark").rglob("*.py") if path != ROOT / "tidemark" / "__init__.py")
TASKS = sorted((ROOT / "tasks").rglob("*.py"))

Graph = dict[str, set[str]]
"""Names, and the names that each leads to."""


def imported(path: Path) -> Iterator[str]:
    """Every name that a file imports, in full: ``tidemark.mysql.gtid.GtidSet``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def table(init: Path) -> dict[str, str]:
    """The table of modules in a package's docstring: each name, folders with a slash, and what it is for."""
    text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
    rows = text.partition("\n::\n")[2].splitlines()
    return {name: about.strip() for name, _, about in (row.strip().partition(" ") for row in rows) if name}


def between_files() -> Graph:
    """Every module of ``tidemark`` and ``tasks``, and the modules that it imports; a package is its ``__init__``."""
    names = {_dotted(path): path for path in (*MODULES, *TASKS)}
    found: Graph = {}
    for module, path in names.items():
        exact = (name if name in names else name.rpartition(".")[0] for name in imported(path))
        found[module] = {name for name in exact if name in names and name != module}
    return found


def between_folders() -> Graph:
    """The same for folders: each import counts for the two folders, or files, in which the ways of the two part."""
    found: Graph = {}
    for module, others in between_files().items():
        for other in others:
            here, there = _parting(module, other)
            found.setdefault(here, set())
            if here != there:
                found[here].add(there)
    return found


def between_rooms() -> Graph:
    """The same for the rooms of ``tidemark``: its folders, and files of its own; ``tasks`` is one of them."""
    found: Graph = {}
    for module, others in between_files().items():
        here = _room(module)
        found.setdefault(here, set()).update({_room(other) for other in others} - {here})
    return found


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups whose members reach one another, each sorted."""
    reach = {node: reachable(graph, node) for node in graph}
    groups = {tuple(sorted(other for other in reach[node] if node in reach.get(other, ()))) for node in graph}
    return [list(group) for group in sorted(groups) if len(group) > 1]


def reachable(graph: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """What can be reached from a name in one step or more."""
    found: set[str] = set()
    todo = set(graph.get(start, ()))
    while todo:
        found |= todo
        todo = {other for node in todo for other in graph.get(node, ())} - found
    return found


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[0] if parts[0] == "tasks" or len(parts) == 1 else parts[1]


def _parting(module: str, other: str) -> tuple[str, str]:
    ours, theirs = module.split("."), other.split(".")
    pairs = enumerate(zip(ours, theirs, strict=False))
    shared = next((i for i, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
    return ".".join(ours[: shared + 1]), ".".join(theirs[: shared + 1])
