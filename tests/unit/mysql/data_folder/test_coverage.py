"""What a server said that it has, held against the files of a backup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.holdings import Inventory, InventoryTable, InventoryTablespace
from tidemark.mysql.data_folder.coverage import uncovered
from tidemark.mysql.data_folder.selection import Selection

pytestmark = pytest.mark.unit


def held(*tables: tuple[str, str, str], spaces: dict[str, str] | None = None) -> Inventory:
    """Tables as (schema, name, engine); tablespaces as name and file."""
    return Inventory(
        schemas=tuple(sorted({schema for schema, _, _ in tables})),
        tables=tuple(InventoryTable(schema_name=schema, name=name, engine=engine) for schema, name, engine in tables),
        tablespaces=tuple(InventoryTablespace(name=name, files=(file,)) for name, file in (spaces or {}).items()),
    )


def chosen(*files: str) -> Selection:
    folders = {file.rpartition("/")[0] for file in files} - {""}
    return Selection(tuple(sorted(files)), tuple(sorted(folders)))


def test_a_tablespace_whose_file_is_left_out_is_named() -> None:
    inventory = held(("ibtmp", "t", "InnoDB"), spaces={"relay-bin": "relay-bin.ibd", "ibtmp/t": "ibtmp/t.ibd"})

    assert uncovered(inventory, chosen("ibdata1", "ibtmp/t.ibd", "relay-bin.ibd"), "mysql") == []
    assert uncovered(inventory, chosen("ibdata1"), "mysql") == [
        "relay-bin.ibd of tablespace relay-bin",
        "ibtmp/t.ibd of tablespace ibtmp/t",
        "the folder of schema ibtmp",
    ]


@pytest.mark.parametrize(
    ("engine", "files"),
    [
        ("MyISAM", ("shop/t.MYD", "shop/t.MYI")),
        ("MyISAM", ("shop/t#P#p0.MYD", "shop/t#P#p0.MYI")),
        ("CSV", ("shop/t.CSV", "shop/t.CSM")),
        ("ARCHIVE", ("shop/t.ARZ",)),
        ("MRG_MyISAM", ("shop/t.MRG",)),
    ],
)
def test_each_file_of_a_table_that_is_not_innodbs_is_asked_for(engine: str, files: tuple[str, ...]) -> None:
    inventory = held(("shop", "t", engine))

    assert uncovered(inventory, chosen("shop/a.sdi", *files), "mysql") == []
    assert uncovered(inventory, chosen("shop/a.sdi", *files[1:]), "mysql") == [f"a file of table shop.t ({engine})"]


def test_mariadb_has_a_definition_of_every_table() -> None:
    inventory = held(("shop", "t", "InnoDB"), ("shop", "m", "MEMORY"), ("shop", "a", "Aria"))
    whole = ("shop/t.frm", "shop/m.frm", "shop/a.frm", "shop/a.MAD", "shop/a.MAI")

    assert uncovered(inventory, chosen(*whole), "mariadb") == []
    for left in ("shop/m.frm", "shop/a.MAI"):
        assert len(uncovered(inventory, chosen(*(name for name in whole if name != left)), "mariadb")) == 1


def test_names_are_found_as_servers_write_them() -> None:
    inventory = held(
        ("a-b", "x y", "MyISAM"), ("a-b", "con", "MyISAM"), ("a-b", "ünï€", "MyISAM"), ("#mysql50#l+f", "t", "MyISAM")
    )
    stems = ("a@002db/x@0020y", "a@002db/con@@@", "a@002db/@1on@0v@20ac", "l+f/t")

    assert uncovered(inventory, chosen(*(f"{stem}{end}" for stem in stems for end in (".MYD", ".MYI"))), "mysql") == []


def test_of_two_names_that_look_alike_both_are_counted() -> None:
    inventory = held(("s", "ä", "CSV"), ("s", "ö", "CSV"))

    assert uncovered(inventory, chosen("s/@0z.CSV", "s/@1b.CSV"), "mysql") == []
    assert len(uncovered(inventory, chosen("s/@0z.CSV"), "mysql")) == 1


@given(st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=12))
def test_any_ascii_name_is_found_under_the_name_that_servers_write(name: str) -> None:
    written = "".join(c if c.isalnum() or c == "_" else f"@{ord(c):04x}" for c in name)

    assert uncovered(held((name, name, "CSV")), chosen(f"{written}/{written}.CSV"), "mysql") == []
