"""The next status tells the truth: what waits, what runs, what was ended. Steps that only say what they do."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until
from tests.support.webhook import Receiver
from tidemark.cli.fleet.status import NAMED
from tidemark.fleet import records

pytestmark = pytest.mark.acceptance

SHARD, OTHER = "commerce/-80", "commerce/80-"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        fleet.add_shards([SHARD, OTHER])
        fleet.project.set("logs", format="json", file=str(fleet.folder / "tidemark.log"))
        yield fleet


def status(fleet: Fleet) -> dict[str, Any]:
    """What status says of the shard; that it has no backup is said by the exit status."""
    done = fleet.project.tidemark("status", SHARD, "--json")
    assert done.returncode == 1
    (view,) = json.loads(done.stdout)
    return dict(view)


def test_status_follows_a_run_from_the_queue_to_its_end(fleet: Fleet) -> None:
    fleet.order(SHARD, "catchup", "hang")
    done = fleet.project.tidemark("run", SHARD)
    assert "No node is there" in done.stderr
    assert (status(fleet)["waiting"], status(fleet)["running"]) == ("", None)
    (entry,) = fleet.project.json("run", SHARD, "--dry-run")
    assert (entry["waiting"], entry["running"]) == (True, False)

    fleet.start_nodes("node1")
    fleet.wait_event(SHARD, "catchup")
    view = status(fleet)
    assert (view["state"], view["running"]["step"], view["waiting"]) == ("running", "catchup", None)
    (node,) = fleet.project.json("nodes")
    assert (node["name"], node["shard"], node["step"]) == ("node1@test", SHARD, "catchup")
    wait_until(lambda: status(fleet)["progress"], 30, "the progress is shown")
    follower = subprocess.Popen(
        fleet.project.command("logs", SHARD, "--follow", "--json"),
        env=fleet.project.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )

    assert fleet.project.tidemark("cancel", SHARD).returncode == 0
    view = status(fleet)
    assert (view["running"], view["waiting"], view["failures"]) == (None, None, 0)
    lines = [json.loads(line) for line in follower.communicate(timeout=60)[0].splitlines()]
    assert follower.returncode == 0
    assert next(line["message"] for line in lines if line["step"] == "catchup") == "begins"
    fleet.wait_clean(SHARD)
    assert fleet.project.json("show", SHARD, "--no-backups")["history"][0]["state"] == "revoked"


def test_a_failure_is_told_looked_into_and_tried_again(fleet: Fleet) -> None:
    """The webhook, show, logs and retry, one after the other, as on a bad night."""
    if "node1" not in fleet.processes:
        fleet.start_nodes("node1")
    fleet.start("control", "-n", "control@test", "-Q", "control", "-c", "1")
    fleet.wait_ready("control")
    bug = fleet.order(OTHER, "stop", "bug")
    with Receiver() as receiver:
        fleet.project.set("alert", webhook_url_file=str(receiver.write_url(fleet.folder / "webhook.url")))
        assert fleet.project.tidemark("run", OTHER, "--wait").returncode == 1
        wait_until(lambda: receiver.texts, 90, "the webhook was told")

        text = fleet.project.tidemark("show", OTHER, "--no-backups").stdout
        assert "stop failed" in text
        assert "raised at tasks/stop.py:" in text
        (failed,) = [run.run for run in records.history(fleet.redis, OTHER)]
        assert f"tidemark logs {OTHER} --run {failed}" in text
        done = fleet.project.tidemark("logs", OTHER, "--run", failed, "--json", "--level", "error")
        (line,) = [json.loads(line) for line in done.stdout.splitlines()]
        assert (line["shard"], line["run"], line["node"], line["step"]) == (OTHER, failed, "node1@test", "stop")
        assert "ValueError: a mistake of ours" in line["exception"]
        in_file = [json.loads(one) for one in (fleet.folder / "tidemark.log").read_text().splitlines()]
        assert [one for one in in_file if one["level"] == "ERROR" and one.get("run") == failed]

        bug.unlink()
        (entry,) = fleet.project.json("retry", "--failed", "--dry-run")
        assert (entry["shard"], entry["what"]) == (OTHER, "would be enqueued")
        (retried,) = fleet.project.json("retry", "--failed", "--wait")
        assert (retried["shard"], retried["state"]) == (OTHER, "SUCCESS")
        assert fleet.project.json("retry", "--failed") == []
        wait_until(lambda: len(receiver.texts) > 1, 90, "the webhook was told of the recovery")
        problem, recovered = receiver.texts
    assert problem.startswith(f"{OTHER}: ")
    assert "stop failed: ValueError: a mistake of ours" in problem
    assert recovered.startswith(f"{OTHER} has recovered")


def test_the_line_for_monitoring_stays_a_line_however_many_are_late(fleet: Fleet) -> None:
    fleet.add_shards([f"many/{number}" for number in range(12)])
    done = fleet.project.tidemark("status", "many/*", "--brief")

    (line,) = done.stdout.splitlines()
    assert line.startswith("LATE: 12 of 12 shards over the limit: many/0 (no backup), ")
    assert line.endswith(f", and {12 - NAMED} more")


def test_status_can_be_watched_on_a_terminal(fleet: Fleet) -> None:
    main, worker = pty.openpty()
    process = subprocess.Popen(
        fleet.project.command("status", "--watch", "--interval", "0.2"),
        env=fleet.project.environment() | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=worker,
        stdout=worker,
        stderr=worker,
    )
    os.close(worker)
    seen = bytearray()

    def shown() -> bool:
        if select.select([main], [], [], 0.1)[0]:
            seen.extend(os.read(main, 65536))
        return seen.count(b"tidemark status,") >= 2 and SHARD.encode() in seen

    def ended() -> bool:
        _drain(main)
        return process.poll() is not None

    try:
        wait_until(shown, 60, "the table was drawn twice")
        process.send_signal(signal.SIGINT)
        wait_until(ended, 30, "it ends with Ctrl-C")
    finally:
        process.kill()
        process.wait()
        os.close(main)
    assert process.returncode == 0
    assert fleet.project.tidemark("status", "--watch", "--json").returncode == 2


def _drain(terminal: int) -> None:
    """A terminal that nobody reads would stop whoever writes to it."""
    with contextlib.suppress(OSError):
        while select.select([terminal], [], [], 0)[0]:
            os.read(terminal, 65536)
