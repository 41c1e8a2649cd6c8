"""One suite over every topology. A new one joins by an entry in ``TOPOLOGIES``: a function that makes a topology of the
shards in ``SHARDS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tidemark.config import NodeSettings, RepositorySettings, Settings, ShardSettings
from tidemark.errors import UnknownShard
from tidemark.shards import Address, Servers, StaticTopology, Topology

pytestmark = pytest.mark.contract

A, B, C = Address("db1", 3307), Address("fd00::7", 3306), Address("db3", 3310)

SHARDS: Mapping[str, Servers] = {
    "commerce/-80": Servers((A, B)),
    "commerce/80-": Servers((B,)),
    "customer/0": Servers((B, A), (C,)),
    **{f"many/{number}": Servers((C,)) for number in range(20)},
}
"""The shards that every topology is made of, and where their servers are."""


def _static(folder: Path, shards: Mapping[str, Servers]) -> Topology:
    return StaticTopology(
        Settings(
            repository=RepositorySettings(url=f"file://{folder}", key_file=folder / "key"),
            node=NodeSettings(scratch=folder / "scratch"),
            shard=tuple(
                ShardSettings(
                    name=name,
                    hosts=tuple(map(str, servers.candidates)),
                    replica_hosts=tuple(map(str, servers.replicas)),
                    user="tidemark",
                    password_file=folder / "password",
                )
                for name, servers in shards.items()
            ),
        )
    )


TOPOLOGIES: dict[str, Callable[[Path, Mapping[str, Servers]], Topology]] = {"static": _static}


@pytest.fixture(params=sorted(TOPOLOGIES))
def topology(request: pytest.FixtureRequest, tmp_path: Path) -> Topology:
    """A topology of ``SHARDS``."""
    return TOPOLOGIES[request.param](tmp_path, SHARDS)


def test_it_names_every_shard_once(topology: Topology) -> None:
    names = topology.names()

    assert len(names) == len(SHARDS)
    assert set(names) == set(SHARDS)
    assert topology.names() == names, "in an order that stays"


def test_names_and_shards_are_the_same_shards_in_the_same_order(topology: Topology) -> None:
    assert tuple(shard.name for shard in topology.shards()) == topology.names()


def test_it_finds_each_shard_by_its_name(topology: Topology) -> None:
    for shard in topology.shards():
        assert topology.find(shard.name) == shard
        assert shard.keyspace == shard.name.split("/")[0]
        assert shard.user == "tidemark"


@pytest.mark.parametrize("name", SHARDS)
def test_it_says_where_a_shards_servers_are(topology: Topology, name: str) -> None:
    found = topology.servers(name)

    assert set(found.candidates) == set(SHARDS[name].candidates)
    assert set(found.replicas) == set(SHARDS[name].replicas)
    assert len(set(found.candidates)) == len(found.candidates) > 0, "each once"


@pytest.mark.parametrize("name", ["commerce/0", "commerce", "", "COMMERCE/-80", "many/"])
def test_a_shard_that_there_is_not_is_told_with_some_that_there_are(topology: Topology, name: str) -> None:
    for ask in (topology.find, topology.servers):
        with pytest.raises(UnknownShard) as caught:
            ask(name)
        assert f'there is no shard "{name}"' in caught.value.message
        assert "commerce/-80" in caught.value.hint
        assert len(caught.value.hint) < 400, "of a thousand shards not all are listed"


@pytest.mark.parametrize(
    ("name", "source", "hosts"),
    [
        ("commerce/-80", "primary", {"db1", "fd00::7"}),
        ("commerce/-80", "replica", {"db1", "fd00::7"}),
        ("customer/0", "primary", {"db1", "fd00::7"}),
        ("customer/0", "replica", {"db3"}),
    ],
)
def test_it_tells_the_hosts_that_a_run_could_read_from(
    topology: Topology, name: str, source: str, hosts: set[str]
) -> None:
    assert topology.servers(name).hosts(source) == hosts  # type: ignore[arg-type]


def test_replicas_of_its_own_are_the_source_alone_and_else_any_server_may_be(topology: Topology) -> None:
    assert topology.servers("customer/0").sources("replica") == (C,)
    assert set(topology.servers("customer/0").sources("primary")) == {A, B}
    assert set(topology.servers("commerce/-80").sources("replica")) == {A, B}
