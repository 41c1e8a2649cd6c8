"""The shape of the package: every public name says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

PACKAGE = Path(__file__).parents[3] / "tidemark" / "repository"
MODULES = sorted(PACKAGE.rglob("*.py"))


def _shown(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=_shown)
def test_every_module_class_and_public_function_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]

    assert ast.get_docstring(tree)
    assert [node.name for node in named if node.name[0] != "_" and not ast.get_docstring(node)] == []
