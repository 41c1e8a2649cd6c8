"""Patterns name tables; of a backup's files those are fetched that a server needs to bring them out."""

from __future__ import annotations

import pytest

from tidemark.errors import ConfigError
from tidemark.mysql.tables.patterns import TablePatterns

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("patterns", "schema", "table", "meant"),
    [
        (["shop.t*"], "shop", "t1", True),
        (["shop.t*"], "shop", "T1", False),
        (["shop.t*"], "shopping", "t1", False),
        (["shop.a, shop.b"], "shop", "b", True),
        (["shop.a", "s*.c"], "shop", "c", True),
        (["*.*"], "mysql", "user", False),
        ([r"shop.a\,b, shop.c"], "shop", "a,b", True),
        ([r"shop.a\,b, shop.c"], "shop", "c", True),
        ([r"shop.a\,b, shop.c"], "shop", "b", False),
        (["shop.tägliche Läufe #?"], "shop", "tägliche Läufe #1", True),
    ],
)
def test_a_pattern_means_tables(patterns: list[str], schema: str, table: str, meant: bool) -> None:
    assert TablePatterns.parse(patterns).match(schema, table) == meant


def test_a_server_whose_names_have_no_case_is_asked_without_it() -> None:
    patterns = TablePatterns.parse(["Shop.T*"])

    assert patterns.match("shop", "t1", fold=True)
    assert not patterns.match("shop", "t1")
    assert not patterns.match("mysql", "t1", fold=True)


@pytest.mark.parametrize("given", ["shop", "", "shop.", ".t", ","])
def test_a_pattern_without_a_schema_and_a_table_is_refused(given: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TablePatterns.parse([given])
    assert "schema.table" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("ibdata1", True),
        ("undo_001", True),
        ("shared_space.ibd", True),
        ("#innodb_redo/#ib_redo0", True),
        ("mysql/user.MAD", True),
        ("mysql/proc.MYD", True),
        ("sys/sys_config.ibd", True),
        ("shop/db.opt", True),
        ("shop/other.frm", True),
        ("shop/other.ibd", False),
        ("shop/wanted.ibd", True),
        ("shop/WANTED.ibd", True),
        ("shop/wanted#p#p0.ibd", True),
        ("shop/wanted#P#p0.ibd", True),
        ("shop/old_isam.MYD", False),
        ("shop/old_isam.MYI", False),
        ("else/wanted.ibd", False),
        ("shop/want@002d1.ibd", False),
        ("shop/wanted@002d1.ibd", True),
        ("shop/t@0kgliche.ibd", True),
    ],
)
def test_the_servers_own_files_are_needed_and_of_the_data_what_may_be_meant(path: str, needed: bool) -> None:
    assert TablePatterns.parse(["shop.wanted*"]).need_file(path) == needed
