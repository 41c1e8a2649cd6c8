"""The main job of both flavours, through the fleet, against object stores over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.checksums import checksums
from sandbox.object_servers import ACCESS_KEY, REGION, SECRET_KEY, MotoServer, ObjectServer, find_gcs_server
from sandbox.primary import Account, Primary
from sandbox.workload import Workload
from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.stock import stock_server

pytestmark = pytest.mark.acceptance


@pytest.fixture(params=["s3", "gs"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The keys of ``[repository]`` that say where it is."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "STORAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    folder, keys = tmp_path / "objects", {"url": f"{request.param}://bucket/some/prefix"}
    if request.param == "s3":
        server: ObjectServer = MotoServer(folder)
        keys["region"] = REGION
    else:
        server = find_gcs_server(folder)
    with server:
        server.make_bucket("bucket")
        yield keys | {"endpoint_url": server.url}


def test_both_flavours_are_backed_up_twice_and_restored(
    place: dict[str, str], primaries: dict[str, Primary], accounts: dict[str, Account], tmp_path: Path
) -> None:
    need_program("redis-server")
    with Fleet(tmp_path / "fleet", app="tasks") as fleet:
        fleet.project.set("repository", **place)
        for keyspace, (user, password) in accounts.items():
            fleet.project.add(f"{keyspace}/a", port=primaries[keyspace].port, user=user, password=password)
        checked = fleet.project.json("config", "check")
        assert {"what": f"repository {place['url']}", "problem": "", "hint": ""} in checked
        fleet.start_nodes("node1")

        with Workload(primaries["maria"], rate=50), Workload(primaries["mysql"], rate=50):
            first = [result.get(timeout=180) for result in [fleet.enqueue(f"{name}/a") for name in primaries]]
        second = [result.get(timeout=180) for result in [fleet.enqueue(f"{name}/a") for name in primaries]]

        assert [value["number"] for value in first] == [1, 1]
        assert [value["number"] for value in second] == [2, 2]
        assert all(0 < value["stored_bytes"] < value["bytes"] for value in second)
        for keyspace, primary in primaries.items():
            target = tmp_path / f"restored-{keyspace}"
            fleet.project.json("restore", f"{keyspace}/a", "--to", str(target))
            with stock_server(primary.flavour, target, tmp_path / f"server-{keyspace}") as server:
                assert checksums(server) == checksums(primary)  # nothing was written since the workload ended
        assert fleet.project.leftovers() == []
