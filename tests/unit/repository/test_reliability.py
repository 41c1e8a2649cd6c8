"""Every object of a small repository, damaged in every way: what ``docs/reliability.md`` says was tried."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backups import noise, open_shard, read_folder, upload, write_folder
from tidemark.errors import TidemarkError
from tidemark.repository import RestoreOptions
from tidemark.storage import MemoryStore

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
FIRST = {"db/t.ibd": noise(1, 9000) + bytes(3000) + noise(2, 100), "ibdata1": noise(3, 3000), "empty": b""}
SECOND = {**FIRST, "db/t.ibd": FIRST["db/t.ibd"][:4000] + b"!" + FIRST["db/t.ibd"][4001:], "new": noise(4, 700)}
APPENDED = "an appended byte"
"""Of a pack no restore and no look at a backup reads it: only the listing tells."""
FLIPS = 40
"""Bits that are flipped in each object, one at a time, from its first byte to its last."""


def make(folder: Path, keys: dict[str, bytes]) -> dict[str, bytes]:
    """A repository with two backups, the second of which refers to packs of the first."""
    store = MemoryStore()
    for name, key in keys.items():
        store.put(name, [key])
    for content in (FIRST, SECOND):
        write_folder(folder, content)
        upload(open_shard(store), folder)
    return {info.name: store.get(info.name) for info in store.list()}


def kind(name: str) -> str:
    return "key" if name.startswith("keys/") else "manifest" if "/backups/" in name else "pack"


def damages(objects: dict[str, bytes], older: dict[str, bytes]) -> Iterator[tuple[str, str, bytes | None]]:
    """Ways to damage each object: what is done, the object's name, its new content."""
    for name, content in objects.items():
        for flip in range(FLIPS):
            changed = bytearray(content)
            changed[flip * (len(content) - 1) // (FLIPS - 1)] ^= 1 << flip % 8
            yield "one flipped bit", name, bytes(changed)
        for length in sorted({0, 1, len(content) // 2, len(content) - 1}):
            yield "truncation", name, content[:length]
        yield "deletion", name, None
        yield APPENDED, name, content + b"\0"
        for other in objects:
            if other != name:
                yield "a sibling's content", name, objects[other]
        # Another history of the same shard, under the same key: what was there at another time.
        stale = next(
            (old for known, old in older.items() if kind(known) == kind(name) and known[-12:] == name[-12:]), None
        )
        if stale is not None and stale != content:
            yield "a stale copy", name, stale


def problems(store: MemoryStore, folder: Path) -> tuple[list[str], list[str]]:
    """What verify says, and what restore says, of both backups together. Data that comes back must be right."""
    verified: list[str] = []
    restored: list[str] = []
    try:
        shard = open_shard(store)
    except TidemarkError as error:
        return [error.message], [error.message]
    for number, content in ((1, FIRST), (2, SECOND)):
        try:
            verified += shard.verify(shard.catalog.backup(number), threads=1).named
        except TidemarkError as error:
            verified.append(error.message)
        try:
            shard.restore(shard.catalog.backup(number), folder / str(number), RestoreOptions(threads=1))
            assert read_folder(folder / str(number)) == content
        except TidemarkError as error:
            restored.append(error.message)
        shutil.rmtree(folder / str(number), ignore_errors=True)
    return verified, restored


def all_problems(store: MemoryStore) -> list[str]:
    """What a look at everything says; two backups are known to have been there."""
    try:
        found = open_shard(store).verify_all(threads=1)
    except TidemarkError as error:
        return [error.message]
    there = {*found.backups, *found.unsound}
    return [*found.named, *(f"has no backup {number}" for number in (1, 2) if number not in there)]


def test_whatever_is_damaged_verify_and_restore_name_it_and_the_table_says_how_often_that_was_tried(
    tmp_path: Path,
) -> None:
    objects = make(tmp_path / "data", {})
    older = make(tmp_path / "other", {name: content for name, content in objects.items() if kind(name) == "key"})
    tried: Counter[tuple[str, str]] = Counter()
    (tmp_path / "out").mkdir()
    for way, name, content in damages(objects, older):
        store = MemoryStore()
        for known, whole in objects.items():
            if known != name:
                store.put(known, [whole])
        if content is not None:
            store.put(name, [content])

        looked, everything = problems(store, tmp_path / "out"), all_problems(store)
        if way == APPENDED and kind(name) == "pack":
            assert looked == ([], [])
            looked = (everything, everything)
        for found in (*looked, everything):
            assert found, f"{way} of {name}: nobody saw it"
            # A manifest that is not there is a backup that is not there, and is missed by its number; without its
            # key a repository is not one.
            expected = name
            if content is None and kind(name) != "pack":
                expected = "keys/" if kind(name) == "key" else f"has no backup {int(name[-12:])}"
            if way == "a stale copy" and kind(name) == "manifest":
                expected = "commerce/-80/packs/"  # it is a right manifest; the packs of its time are gone
            # A look at everything may see more: that the next backup follows another one, say.
            agree = any if found is everything else all
            assert agree(expected in message for message in found), (way, name, found)
        tried[way, kind(name)] += 1

    ways = ["one flipped bit", "truncation", "deletion", APPENDED, "a sibling's content", "a stale copy"]
    rows = [f"| {way} | {tried[way, 'key'] or '-'} | {tried[way, 'manifest']} | {tried[way, 'pack']} |" for way in ways]
    head = ["| damage | key object | manifests | packs |", "|---|---|---|---|"]
    expected = "\n".join([*head, *rows, f"| all {sum(tried.values())} | | | |"])
    assert expected in PAGE.read_text(), f"docs/reliability.md should have:\n{expected}"
