"""Shards as the configuration file lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project
from tidemark import shards
from tidemark.config import NodeSettings, RepositorySettings, Settings, ShardSettings
from tidemark.errors import UnknownShard
from tidemark.shards import Address, Servers, StaticTopology

pytestmark = pytest.mark.unit


def _settings(names: list[str]) -> Settings:
    return Settings(
        repository=RepositorySettings(url="file:///backups", key_file=Path("key")),
        node=NodeSettings(scratch=Path("scratch")),
        shard=tuple(ShardSettings(name=name, host="db", user="u", password_file=Path("p")) for name in names),
    )


def test_shards_come_in_the_files_order() -> None:
    assert StaticTopology(_settings(["b/1", "a/0", "b/0"])).names() == ("b/1", "a/0", "b/0")


def test_an_unknown_shard_is_told_with_the_first_of_those_that_exist() -> None:
    few, many = _settings(["a/0", "a/1"]), _settings([f"k/{i}" for i in range(9)])

    with pytest.raises(UnknownShard) as caught:
        StaticTopology(few).find("a/2")
    assert caught.value.message == 'there is no shard "a/2" in the configuration'
    assert caught.value.hint == "the configured shards are: a/0, a/1"
    with pytest.raises(UnknownShard) as caught:
        StaticTopology(many).servers("a/2")
    assert caught.value.hint == "the configured shards are: k/0, k/1, k/2, k/3, k/4, k/5, k/6, k/7, ..."


def test_a_file_that_is_edited_counts_at_the_next_question(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add("a/0", port=3307, user="u", password="p")
    before = Address("127.0.0.1", 3307)
    assert shards.current(project.path).servers("a/0") == Servers((before,))

    project.shards["a/0"].pop("host")
    project.set_shard("a/0", hosts=["db1:3310", "[fd00::7]"], replica_hosts=["db3"])

    after = (Address("db1", 3310), Address("fd00::7", 3307))
    assert shards.current(project.path).servers("a/0") == Servers(after, (Address("db3", 3307),))


def test_a_thousand_shards_are_found_without_reading_the_file_a_thousand_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path)
    project.add("k/0", port=3307, user="u", password="p")
    names = [f"k/{number}" for number in range(1000)]
    project.shards = {name: project.shards["k/0"] | {"name": name} for name in names}
    project.write()
    read: list[str] = []

    def loads(text: str, loads: Callable[[str], dict[str, Any]] = tomllib.loads) -> dict[str, Any]:
        read.append(text)
        return loads(text)

    monkeypatch.setattr(tomllib, "loads", loads)

    found = [shards.current(project.path).find(name).name for name in names]

    assert found == names
    assert len(read) == 1
