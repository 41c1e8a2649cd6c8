"""Somebody who can write to the broker sends what no one of ours would, to real workers."""

from __future__ import annotations

import base64
import json
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until
from tidemark import fleet as fleet_room
from tidemark.errors import ConfigError, RunError, UnknownShard

pytestmark = pytest.mark.acceptance

RUN = "20261126T010203Z-0a1b2c3d"
NODES = ("node1", "node2")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.add_shards(["a/one", "a/two", "a/alive"])
        fleet.start_nodes(*NODES)
        yield fleet


@pytest.fixture
def outside(fleet: Fleet) -> Iterator[Path]:
    """A folder beside the scratch folder that looks like a run's, and that a path could reach."""
    folder = fleet.folder / "outside"
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(
        json.dumps({"run_id": RUN, "shard": "a/one", "node_id": "node1@test", "started_at": "2026-11-26T00:00:00Z"})
    )
    yield folder
    assert (folder / "run.json").exists()
    assert [path.name for path in folder.iterdir()] == ["run.json"]


def send(fleet: Fleet, task: str, *args: object, queue: str = "node.node1@test", **kwargs: object) -> Any:
    return fleet.client.send_task(task, args, kwargs, queue=queue, priority=0)


def test_an_argument_that_could_not_be_meant_ends_its_task_and_nothing_else(fleet: Fleet, outside: Path) -> None:
    path = f"../../{outside.name}"
    steps = ("tasks.restore", "tasks.catchup", "tasks.stop", "tasks.upload")
    cases = [
        *(send(fleet, step, "a/one", path) for step in steps),
        *(send(fleet, step, "../../etc", RUN) for step in steps),
        *(send(fleet, step, {"shard": "a/one"}, [RUN]) for step in steps),
        send(fleet, "tasks.cleanup", None, "a/one", path),
        send(fleet, "tasks.cleanup", None, path, RUN),
        send(fleet, "tasks.cleanup", path, "a/one", RUN),
        send(fleet, "tasks.cleanup", None, "a/one", RUN, ended_as="succeeded"),
        send(fleet, "tasks.backup", path, queue="backup"),
        send(fleet, "tasks.backup", "a/one", first_backup="/etc/passwd", queue="backup"),
        send(fleet, "tasks.backup", "a/one", force="yes", queue="backup"),
        send(fleet, "tasks.backup", "a/one", attempt=-1, queue="backup"),
        send(fleet, "tasks.backup", "a/one", config="/tmp/other.toml", queue="backup"),
        send(fleet, "tasks.backup", queue="backup"),
        send(fleet, "celery.map", {"task": "tasks.restore", "args": [], "kwargs": {}}, [path]),
        send(fleet, "celery.starmap", {"task": "tasks.cleanup", "args": [], "kwargs": {}}, [[None, "a/one", path]]),
    ]
    for result in cases:
        with pytest.raises((ConfigError, TypeError)):
            result.get(timeout=60)
    with pytest.raises(UnknownShard):
        send(fleet, "tasks.backup", "a/three", queue="backup").get(timeout=60)
    with pytest.raises(RunError, match="there is no run in"):
        send(fleet, "tasks.upload", "a/one", RUN).get(timeout=60)

    assert not list((fleet.project.scratch / "runs").glob("*"))
    assert fleet.events() == []


def test_what_is_no_message_of_ours_is_dropped_and_the_workers_go_on(fleet: Fleet) -> None:
    bomb = fleet.folder / "exploded"

    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (bomb,)

    def message(body: str, content_type: str, task: str = "tasks.backup") -> str:
        id = str(uuid.uuid4())
        return json.dumps(
            {
                "body": body,
                "content-encoding": "utf-8",
                "content-type": content_type,
                "headers": {"lang": "py", "task": task, "id": id, "root_id": id},
                "properties": {
                    "correlation_id": id,
                    "delivery_mode": 2,
                    "delivery_info": {"exchange": "", "routing_key": "backup"},
                    "priority": 0,
                    "body_encoding": "base64",
                    "delivery_tag": id,
                },
            }
        )

    pickled = base64.b64encode(pickle.dumps(([Bomb()], {}, {}))).decode()
    for hostile in (
        message(pickled, "application/x-python-serialize"),
        message(base64.b64encode(b"{not json").decode(), "application/json"),
        message(base64.b64encode(b"[[], {}, {}]").decode(), "application/json", task="os.system"),
    ):
        fleet.redis.lpush("backup", hostile)

    wait_until(lambda: fleet.redis.llen("backup") == 0, 60, "the messages are taken")
    for shard in ("a/one", "a/two"):
        assert fleet.enqueue(shard).get(timeout=60)["number"] == 42
    assert not bomb.exists()
    assert all(fleet.processes[name].poll() is None for name in NODES)
    log = "".join(fleet.text(name) for name in NODES)
    assert "Refusing to deserialize" in log
    assert "os.system" in log  # an unknown task is said to be one


def test_a_run_that_is_alive_cannot_be_cleaned_away_from_another_node(fleet: Fleet) -> None:
    hang = fleet.order("a/alive", "upload", "hang")
    result = fleet.enqueue("a/alive")
    begun = fleet.wait_event("a/alive", "upload")
    other = next(f"{name}@test" for name in NODES if f"{name}@test" != begun["node"])

    with pytest.raises(RunError, match=f"belongs to node {begun['node']}"):
        send(fleet, "tasks.cleanup", None, "a/alive", begun["run"], queue=f"node.{other}").get(timeout=60)
    with pytest.raises(RunError, match="belongs to node"):
        send(fleet, "tasks.upload", "a/alive", begun["run"], queue=f"node.{other}").get(timeout=60)

    held = fleet_room.leases.holder(fleet.redis, "a/alive")
    assert held is not None
    assert held.run == begun["run"]
    hang.unlink()
    assert result.get(timeout=60)["number"] == 42
