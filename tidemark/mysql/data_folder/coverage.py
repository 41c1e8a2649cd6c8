"""Whether the files that are chosen for a backup hold all that the server said it has. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

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
_OLD_NAME = "#mysql50#"
"""What stands before the name of a folder that was not made by the server: it is the folder's name as it is."""


def uncovered(inventory: Inventory, selection: Selection, flavour: str) -> list[str]:
    """What the server has and the files do not hold, one line each; none when all is there."""
    there, folders = set(selection.files), set(selection.directories)
    lines = [f"{file} of tablespace {space.name}" for space in inventory.tablespaces for file in space.files
             if file not in there]  # fmt: skip
    homes = {schema: _found(schema, folders) for schema in inventory.schemas}
    lines += [f"the folder of schema {schema}" for schema, found in homes.items() if not found]
    stems = _stems(selection.files)
    # Names that only a server can tell apart are counted: as many files as tables that they may be of.
    wanted: Counter[tuple[str, str, str]] = Counter()
    for table in inventory.tables:
        home = min(homes.get(table.schema_name) or [""])
        if not home:
            continue  # told already
        for suffix in _suffixes(table, flavour):
            key = home, suffix, _pattern(table.name)
            wanted[key] += 1
            if len(_found(table.name, stems.get((home, suffix.lower()), set()), re.IGNORECASE)) < wanted[key]:
                lines.append(f"a file of table {table.schema_name}.{table.name} ({table.engine})")
    return lines


def _stems(files: Iterable[str]) -> dict[tuple[str, str], set[str]]:
    """By folder and end of the file's name: what stands before it, without a partition, in lower case."""
    found: dict[tuple[str, str], set[str]] = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        stem, dot, end = name.lower().rpartition(".")
        found.setdefault((folder, dot + end), set()).add(stem.partition("#p#")[0])
    return found


def _suffixes(table: InventoryTable, flavour: str) -> tuple[str, ...]:
    definition = (_DEFINITION,) if flavour == "mariadb" else ()
    return definition + _FILES_OF.get(table.engine, ())


def _found(name: str, among: Collection[str], flags: re.RegexFlag = re.NOFLAG) -> list[str]:
    """Those of the files or folders that may be called for this name. One of ASCII is looked up: there may be a hundred
    thousand of them."""
    if not name.isascii():
        expression = re.compile(_pattern(name), flags)
        return [written for written in among if expression.fullmatch(written)]
    literal = name.removeprefix(_OLD_NAME) if name.startswith(_OLD_NAME) else "".join(map(_letter, name))
    if flags & re.IGNORECASE:
        literal = literal.lower()
    return [written for written in (literal, f"{literal}@@@") if written in among]


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
