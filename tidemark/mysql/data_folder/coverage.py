"""Whether the files that are chosen for a backup hold all that the server said it has. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from tidemark.holdings import Inventory, InventoryTable
from tidemark.mysql.data_folder.selection import Selection

_FILES_OF = {
    "MyISAM": (".MYD", ".MYI"),
    "Aria": (".MAD", ".MAI"),
    "CSV": (".CSV",),
    "ARCHIVE": (".ARZ",),
    "MRG_MyISAM": (".MRG",),
}
"""By engine: the files that every table of it has. InnoDB's are those of its tablespaces."""
_DEFINITION = ".frm"
"""Of every table of MariaDB; MySQL keeps definitions in its dictionary."""
_SYSTEM_TABLES_WITHOUT_FILES = frozenset({"performance_schema", "information_schema"})
_OLD_NAME = "#mysql50#"
"""What stands before the name of a folder that was not made by the server: it is the folder's name as it is."""


def uncovered(inventory: Inventory, selection: Selection, flavour: str) -> list[str]:
    """What the server has and the files do not hold, one line each; none when all is there."""
    there, folders = set(selection.files), set(selection.directories)
    lines = [f"{file} of tablespace {space.name}" for space in inventory.tablespaces for file in space.files
             if file not in there]  # fmt: skip
    names = {schema: _folder(schema, folders) for schema in inventory.schemas}
    lines += [f"the folder of schema {schema}" for schema, folder in names.items() if not folder]
    wanted: Counter[tuple[str, str]] = Counter()
    of: dict[tuple[str, str], InventoryTable] = {}
    for table in inventory.tables:
        for suffix in _suffixes(table, flavour):
            key = (names.get(table.schema_name) or "", f"{_pattern(table.name)}(#P#.*)?{re.escape(suffix)}")
            wanted[key] += 1
            of[key] = table
    by_folder: dict[str, list[str]] = {}
    for file in there:
        folder, _, name = file.rpartition("/")
        by_folder.setdefault(folder, []).append(name)
    for (folder, pattern), count in wanted.items():
        if not folder:
            continue  # told already
        expression = re.compile(pattern, re.IGNORECASE)
        if sum(bool(expression.fullmatch(name)) for name in by_folder.get(folder, ())) < count:
            table = of[folder, pattern]
            lines.append(f"a file of table {table.schema_name}.{table.name} ({table.engine})")
    return lines


def _suffixes(table: InventoryTable, flavour: str) -> tuple[str, ...]:
    if table.schema_name in _SYSTEM_TABLES_WITHOUT_FILES:
        return ()
    definition = (_DEFINITION,) if flavour == "mariadb" else ()
    return definition + _FILES_OF.get(table.engine, ())


def _folder(schema: str, folders: Iterable[str]) -> str:
    """The folder of a schema; empty when there is none."""
    expression = re.compile(_pattern(schema))
    return next((folder for folder in sorted(folders) if expression.fullmatch(folder)), "")


def _pattern(name: str) -> str:
    """What the file of a table or the folder of a schema is called: letters and digits as they are, other ASCII as
    ``@`` and four digits, everything else by a table of the server's own that we need not know."""
    if name.startswith(_OLD_NAME):
        return re.escape(name.removeprefix(_OLD_NAME))
    return "".join(map(_letter, name)) + "(@@@)?"


def _letter(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isalnum() or letter == "_" else f"@{ord(letter):04x}"
    return "@([0-9a-f]{4}|[0-9][0-9a-zA-Z])"
