"""Two inventories compared."""

from __future__ import annotations

import pytest

from tidemark.holdings import Inventory, InventoryTable, differences, shortened

pytestmark = pytest.mark.unit


def table(name: str, schema: str = "shop", engine: str = "InnoDB", row_format: str = "Dynamic") -> InventoryTable:
    return InventoryTable(schema_name=schema, name=name, engine=engine, row_format=row_format)


BEFORE = Inventory(
    schemas=("mysql", "shop"),
    tables=(table("orders"), table("gone"), table("user", "mysql", "MyISAM")),
    counts={"accounts": 5, "views": 2},
)


def test_nothing_is_told_of_the_same() -> None:
    assert differences(BEFORE, BEFORE, same_version=True) == []


def test_every_kind_of_difference_is_told_by_name() -> None:
    now = Inventory(
        schemas=("mysql", "store"),
        tables=(table("orders", row_format="Compact"), table("new"), table("user", "mysql", "Aria")),
        counts={"accounts": 4, "views": 2, "events": 1},
    )

    assert differences(BEFORE, now, same_version=True) == [
        "schema shop is missing",
        "schema store is new",
        "table shop.gone is missing",
        "table shop.new is new",
        "table mysql.user was MyISAM, it is Aria",
        "table shop.orders had row format Dynamic, it has Compact",
        "5 accounts were there, 4 are",
    ]


def test_a_server_of_another_version_may_have_changed_its_own_tables_and_accounts() -> None:
    upgraded = Inventory(schemas=("mysql", "shop", "sys"), tables=BEFORE.tables[:2], counts={"accounts": 7})

    assert differences(BEFORE, upgraded, same_version=False) == []
    assert differences(BEFORE, upgraded, same_version=True) == [
        "table mysql.user is missing",
        "5 accounts were there, 7 are",
    ]


def test_a_table_that_no_engine_opens_is_told() -> None:
    now = BEFORE.model_copy(update={"tables": (table("orders", engine=""), *BEFORE.tables[1:])})

    assert differences(BEFORE, now, same_version=True) == ["table shop.orders was InnoDB, it is (none)"]


def test_totals_count_what_users_have_made() -> None:
    assert BEFORE.totals == {"schemas": 1, "tables": 2, "accounts": 5, "views": 2}


def test_many_lines_are_cut_short() -> None:
    assert shortened(["a", "b"]) == "a; b"
    assert shortened([str(i) for i in range(11)], most=2) == "0; 1; and 9 more"
