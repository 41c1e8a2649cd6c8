"""How things look: facts go to standard output (tables, or JSON), everything else to standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import click
from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from tidemark.errors import TidemarkError
from tidemark.progress import span as span

console = Console(stderr=True, highlight=False)
"""For progress, notes and errors."""

facts = Console(highlight=False)
"""For what was asked."""


def fail(error: TidemarkError) -> NoReturn:
    """Prints an error as a person wants to read it and ends with exit status 1."""
    console.print(Text.assemble(("Error: ", "bold red"), error.message), soft_wrap=True)
    if error.hint:
        console.print(Text.assemble(("HINT: ", "bold yellow"), error.hint), soft_wrap=True)
    raise SystemExit(1)


def print_json(value: Any) -> None:
    """JSON on standard output; times in ISO 8601, UTC."""
    click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Iterable[str] = ()) -> None:
    """A table; columns named in ``right`` are numbers. Without a terminal nothing is cut off."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    numbers = frozenset(right)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    if facts.is_terminal:
        facts.print(table)
    else:
        Console(highlight=False, width=max(200, Console().measure(table).maximum)).print(table)


def size(count: int | None) -> str:
    """Bytes as a person reads them, in powers of ten."""
    return "" if count is None else decimal(count)


def age(moment: datetime | None) -> str:
    """How long ago, in the two largest units."""
    if moment is None:
        return "never"
    return span((datetime.now(UTC) - moment).total_seconds()) + " ago"


def moment(when: datetime | None) -> str:
    """A time in UTC, to the second."""
    return "" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
