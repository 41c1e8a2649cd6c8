"""Which shards a command is about: names, patterns, or all of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from tidemark.config import Settings
from tidemark.errors import UnknownShard
from tidemark.shards import topology

_WILD = frozenset("*?[")


def select(settings: Settings, given: Sequence[str]) -> list[str]:
    """The configured shards that are named, in the configuration's order; all of them when none is. A pattern such as
    ``commerce/*`` must match one at least, or it is ``UnknownShard`` like a name that is not there."""
    shards = topology(settings)
    names = shards.names()
    if not given:
        return list(names)
    chosen: set[str] = set()
    for text in given:
        if not _WILD & set(text):
            chosen.add(shards.find(text).name)
            continue
        matching = [name for name in names if fnmatch.fnmatchcase(name, text)]
        if not matching:
            raise UnknownShard(f'no shard in the configuration matches "{text}"', "tidemark shards lists them")
        chosen.update(matching)
    return [name for name in names if name in chosen]
