"""A data folder on which a server has worked becomes the backup again; one on which a server works is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.checksums import checksums
from sandbox.primary import Primary
from sandbox.programs import Flavour
from sandbox.workload import fill
from tests.support.needs import need_flavour
from tests.support.project import Project
from tests.support.stock import stock_server

pytestmark = pytest.mark.integration

SHARD = "commerce/-80"


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def primary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        fill(primary, megabytes=40)
        primary.execute("CREATE DATABASE shop")
        primary.execute("CREATE TABLE shop.t (id INT PRIMARY KEY, word VARCHAR(20))")
        primary.execute("INSERT INTO shop.t VALUES (1, 'ebb')")
        yield primary


def test_a_used_data_folder_becomes_the_backup_by_what_differs(primary: Primary, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add_shard(SHARD, primary)
    project.json("backup", SHARD)
    data = tmp_path / "data"
    whole = project.json("restore", SHARD, "--to", str(data))

    with stock_server(primary.flavour, data, tmp_path / "used") as server:
        server.execute("INSERT INTO shop.t VALUES (2, 'went astray')")
        told = project.tidemark("restore", SHARD, "--to", str(data), "--delta")
        assert told.returncode == 1
        assert f"a server is running on {data}" in told.stderr
        assert server.execute("SELECT COUNT(*) FROM shop.t") == [(2,)]

    done = project.json("restore", SHARD, "--to", str(data), "--delta")

    assert done["fetched_bytes"] < whole["fetched_bytes"] / 3
    with stock_server(primary.flavour, data, tmp_path / "again") as server:
        assert server.position() == done["position"]
        assert checksums(server) == checksums(primary)
