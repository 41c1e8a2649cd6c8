"""How a step ends that somebody, or a limit, ends: in seconds, and with nothing left but what a deploy goes on with."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from celery import states

from tests.support.fleet import Fleet
from tests.support.needs import need_program
from tests.support.waiting import wait_until
from tidemark import fleet as fleet_room
from tidemark.errors import LimitExceeded

pytestmark = pytest.mark.acceptance

A, B = "commerce/a", "commerce/b"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    need_program("redis-server")
    with Fleet(tmp_path_factory.mktemp("fleet")) as made:
        made.add_shards([A, B])
        yield made


@pytest.mark.parametrize("signals", [[signal.SIGQUIT], [signal.SIGINT, signal.SIGINT]], ids=["SIGQUIT", "Ctrl-C twice"])
def test_a_node_that_is_stopped_in_the_middle_of_a_step_goes_on_with_the_run_when_it_is_started_again(
    fleet: Fleet, signals: list[signal.Signals]
) -> None:
    before = len(fleet.events())
    begun = len([event for event in fleet.events("begins") if event["step"] == "catchup"])
    fleet.start_nodes("node1")
    hang = fleet.order(A, "catchup", "hang")
    result = fleet.enqueue(A)
    fleet.wait_event(A, "catchup", times=begun + 1, seconds=60)
    process = fleet.processes.pop("node1")
    children = psutil.Process(process.pid).children(recursive=True)

    for place, number in enumerate(signals):
        if place:
            wait_until(lambda: "Warm shutdown" in fleet.text("node1"), 30, "it has heard the first")
        os.kill(process.pid, number)

    process.wait(60)
    assert psutil.wait_procs(children, timeout=20)[1] == []
    assert str(result.state) == states.STARTED
    hang.unlink()
    fleet.start("node1", "-n", "node1@test")
    assert result.get(timeout=60)["number"] == 42
    steps = [event["step"] for event in fleet.events()[before:] if event["event"] == "begins"]
    assert steps == ["restore", "catchup", "catchup", "stop", "upload"]
    fleet.wait_clean(A)
    fleet.stop("node1")
    fleet.log("node1").unlink()


def test_a_step_over_its_limit_is_a_failure_that_says_so_and_leaves_nothing(fleet: Fleet) -> None:
    fleet.project.set("limits", catchup="1s")
    fleet.start_nodes("node1")
    hang = fleet.order(B, "catchup", "hang")

    with pytest.raises(LimitExceeded) as caught:
        fleet.enqueue(B).get(timeout=60)

    assert caught.value.message.startswith(f"{B}: the catchup step took longer than 1.0 s ([limits] catchup)")
    assert "raise [limits] catchup" in caught.value.hint
    fleet.wait_clean(B)
    assert fleet_room.records.history(fleet.redis, B)[0].state == "failed"
    hang.unlink()
    assert fleet.enqueue(B).get(timeout=60)["number"] == 42
