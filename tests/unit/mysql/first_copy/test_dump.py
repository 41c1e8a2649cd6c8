"""A copy is held against its source, table by table, while nobody can change a definition; both are played."""

from __future__ import annotations

from typing import Any

import pytest

from tidemark.errors import SourceError
from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.first_copy import dump

pytestmark = pytest.mark.unit

ENDPOINT = Endpoint("db1", 3306, "u", "p")


class Server:
    """Tables as ``schema.table`` and engine."""

    def __init__(self, **engines: str | None) -> None:
        self._engines = engines

    def rows(self, statement: str) -> list[dict[str, Any]]:
        assert "information_schema.tables" in statement
        return [{"s": "shop", "t": name, "engine": engine} for name, engine in self._engines.items()]


def compare(source: Server, copy: Server) -> None:
    dump._compare(source, copy, ENDPOINT)  # type: ignore[arg-type]


def test_a_copy_with_every_table_of_its_engine_is_what_the_source_has() -> None:
    compare(Server(a="InnoDB", b="Aria"), Server(a="InnoDB", b="Aria"))


@pytest.mark.parametrize(
    ("source", "copy", "words"),
    [
        (Server(a="BLACKHOLE"), Server(a="InnoDB"), "shop.a is BLACKHOLE there and InnoDB here"),
        (Server(a="ARCHIVE", b="InnoDB"), Server(b="InnoDB"), "shop.a is missing"),
        (Server(a=None), Server(a="InnoDB"), "shop.a is of an engine that is not loaded there and InnoDB here"),
        (Server(a="InnoDB"), Server(a=None), r"shop.a is InnoDB there and \(none\) here"),
    ],
)
def test_a_table_of_another_engine_or_none_fails_the_copy_by_name(source: Server, copy: Server, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        compare(source, copy)
    assert "plugins" in caught.value.hint


def test_of_many_the_first_are_named() -> None:
    many = Server(**{f"t{i:02d}": "ARCHIVE" for i in range(20)})

    with pytest.raises(SourceError, match=r"shop\.t00 is missing.*and 12 more"):
        compare(many, Server())
