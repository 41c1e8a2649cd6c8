"""No function takes more than six parameters; a command line's callbacks take one for each of their options."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for room in ("tidemark", "tasks") for path in (ROOT / room).rglob("*.py"))
MOST = 6


def crowded(source: str) -> Iterator[str]:
    """Each function with too many parameters, as ``line: name takes n``."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_command(node):
            continue
        given = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        count = sum(argument.arg not in {"self", "cls"} for argument in given)
        if count > MOST:
            yield f"{node.lineno}: {node.name} takes {count}"


def _is_command(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        ast.unparse(decorator).partition("(")[0].endswith(("command", "group")) for decorator in node.decorator_list
    )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_function_takes_more_than_six_parameters(path: Path) -> None:
    assert list(crowded(path.read_text(encoding="utf-8"))) == []


def test_what_it_counts() -> None:
    assert list(crowded("def f(self, a, b, c, d, e, g): ...")) == []
    assert list(crowded("def f(a, b, c, *, d, e, g, h): ...")) == ["1: f takes 7"]
    assert list(crowded("@click.command('x')\ndef f(a, b, c, d, e, g, h): ...")) == []
