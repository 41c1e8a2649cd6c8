"""Which tables a person means, and which files of a data folder a server needs to bring them out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tidemark.errors import ConfigError

SYSTEM_SCHEMAS = frozenset({"mysql", "sys", "performance_schema", "information_schema"})

_ESCAPE = re.compile("@([0-9a-f]{4})")
_COMMA = re.compile(r"(?<!\\),")
_PARTITION = re.compile("#[Pp]#")
_OTHER_ENGINES = (".MYD", ".MYI", ".MAD", ".MAI", ".CSV", ".CSM", ".ARZ")


@dataclass(frozen=True, slots=True)
class TablePatterns:
    """``schema.table`` patterns with ``*``, ``?`` and ``[...]``."""

    patterns: tuple[str, ...]

    @classmethod
    def parse(cls, given: Sequence[str]) -> TablePatterns:
        """Each text may hold several, with commas between them; ``\\,`` stands for a comma in a name. Raises
        ``ConfigError`` for one without a schema."""
        parts = (part.replace("\\,", ",").strip() for text in given for part in _COMMA.split(text))
        patterns = tuple(part for part in parts if part)
        for pattern in patterns:
            if "." not in pattern.strip("."):
                raise ConfigError(
                    f'"{pattern}" does not say which tables', 'write schema.table, as in "shop.t*" or "shop.*"'
                )
        if not patterns:
            raise ConfigError("no table was named", 'write schema.table, as in "shop.t*" or "shop.*"')
        return cls(patterns)

    def match(self, schema: str, table: str, *, fold: bool = False) -> bool:
        """Whether a table is meant. Schemas of the server itself never are. ``fold``: for a server whose names are the
        same in upper and in lower case."""
        name = f"{schema}.{table}"
        if fold:
            name, patterns = name.lower(), tuple(pattern.lower() for pattern in self.patterns)
        else:
            patterns = self.patterns
        return schema not in SYSTEM_SCHEMAS and any(fnmatchcase(name, pattern) for pattern in patterns)

    def need_file(self, path: str) -> bool:
        """Whether a server must have this file of a data folder to bring the tables out: all that is the server's own
        and every table's definition, but of the data only what may be meant. In doubt, yes."""
        folder, _, file = path.rpartition("/")
        if not folder or "/" in folder or folder in SYSTEM_SCHEMAS or folder.startswith("#"):
            return True
        if file.endswith(_OTHER_ENGINES):
            return False
        if not file.endswith(".ibd"):
            return True
        schema, table = _decode(folder), _decode(_PARTITION.split(file.removesuffix(".ibd"))[0])
        if schema is None or table is None:
            return True
        # A server may keep names in lower case, whatever they were written like.
        name = f"{schema}.{table}".lower()
        return any(fnmatchcase(name, pattern.lower()) for pattern in self.patterns)


def _decode(name: str) -> str | None:
    """The name that a file name stands for; None when it has letters that only a server can tell."""
    decoded = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)
    return None if re.search("@(?![0-9a-f]{4})", name) else decoded
