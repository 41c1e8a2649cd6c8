"""The table of shards: what it says, and that it fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from tidemark.cli.fleet.shard_table import brief, short_position, table
from tidemark.fleet.health import Thresholds
from tidemark.fleet.metrics import (
    LastError,
    NewestBackup,
    ProvenBackup,
    RunningStep,
    ShardView,
    StepFigures,
    StepProgress,
)
from tidemark.results import MirrorLevel

pytestmark = pytest.mark.unit


NOW = datetime.now(UTC)
LIMITS = Thresholds(max_age=timedelta(hours=24), max_proven_age=timedelta(hours=36))
UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def shown(*views: ShardView, width: int = 160) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table(views, width=width, limits=LIMITS))
    return capture.get()


def a_shard(name: str = "commerce/-80", hours: float = 3, **more: Any) -> ShardView:
    figures = {
        step: StepFigures(seconds=10, bytes=size, finished_at=NOW)
        for step, size in {"restore": 10**9, "catchup": 0, "stop": 0, "upload": 2 * 10**9}.items()
    }
    newest = NewestBackup(
        number=42,
        position=f"{UUID}:1-4711",
        finished_at=NOW - timedelta(hours=hours),
        bytes=1_300_000_000_000,
        stored_bytes=7_000_000,
    )
    proven = ProvenBackup(number=41, proven_at=NOW, finished_at=NOW - timedelta(hours=hours + 12))
    values = {"newest": newest, "proven": proven, "steps": figures, "transactions": 70_000}
    return ShardView.model_validate({"shard": name} | values | more)


RUNNING: dict[str, Any] = {
    "running": RunningStep(run="r", node="node1@a", step="upload", started=NOW),
    "progress": StepProgress(phase="reading", done=43, total=100, unit="B", rate=9.5e7, eta=750.0, at=NOW),
}
FAILED: dict[str, Any] = {
    "failures": 3,
    "last_error": LastError(
        run="r", step="catchup", message="commerce/-80: gone " + "and lost " * 30 + "\nHINT: x", at=NOW
    ),
}


@pytest.mark.parametrize("width", [80, 100, 120, 160, 240])
def test_every_shard_is_one_line_that_fits_the_terminal(width: int) -> None:
    views = [
        a_shard(),
        a_shard("commerce/80-c0", **RUNNING),
        a_shard("commerce/c0-", **FAILED),
        ShardView(shard="b/new"),
    ]

    lines = shown(*views, width=width).splitlines()

    assert all(cell_len(line) <= width for line in lines)
    assert len([line for line in lines if line.strip()]) == 2 + len(views)
    assert "upload 43% ━━" in lines[4]
    assert "12m" in lines[4]
    assert "catchup failed 3×" in lines[5]
    assert "none" in lines[6]


def test_a_wide_terminal_shows_the_speed_of_each_step_and_the_position() -> None:
    line = shown(a_shard(), width=200).splitlines()[3]

    for word in (
        "42",
        "3h",
        "15h",
        "1.3 TB",
        "7.0 MB",
        "100.0 MB/s",
        "7,000 trx/s",
        "10s",
        "200.0 MB/s",
        "3e11…:1-4711",
    ):
        assert word in line


def test_an_age_over_its_limit_is_marked_without_colours_as_well() -> None:
    assert "! 1d 6h" in shown(a_shard(hours=30))
    assert "!" not in shown(a_shard(hours=20))


def test_a_shard_that_waits_says_for_what() -> None:
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        waiting = {"commerce/-80": "", "commerce/80-": "a run on host db7 to end"}
        console.print(table([a_shard(), a_shard("commerce/80-")], width=120, limits=LIMITS, waiting=waiting))

    first, second = capture.get().splitlines()[3:5]
    assert "waiting for a node" in first
    assert "waiting: a run on host db7 to end" in second


def test_spans_and_positions_are_short() -> None:
    assert [brief(seconds) for seconds in (0, 59, 3600, 93784)] == ["0s", "59s", "1h", "1d 2h"]
    assert short_position(f"{UUID}:1-7,\n{UUID}:1-3") == "3e11…:1-7, 3e11…:1-3"
    assert short_position("0-1-4711") == "0-1-4711"


def test_every_mirror_says_how_far_behind_it_is() -> None:
    mirrors = (
        MirrorLevel(url="s3://a", newest=7, missing=0),
        MirrorLevel(url="s3://b", newest=5, missing=2),
        MirrorLevel(url="gs://c", error="no answer"),
    )

    assert "level, 2 behind, failed" in shown(ShardView(shard="commerce/-80", mirrors=mirrors))


def test_without_mirrors_there_is_no_column_for_them() -> None:
    assert "mirrors" not in shown(ShardView(shard="commerce/-80"))
