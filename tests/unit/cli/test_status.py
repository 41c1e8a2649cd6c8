"""The table of shards says how far behind mirrors are, and nothing of them where there are none."""

from __future__ import annotations

import pytest
from rich.console import Console

from tidemark.cli.status import table
from tidemark.fleet.metrics import MirrorState, ShardView

pytestmark = pytest.mark.unit


def shown(*views: ShardView) -> str:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(table(views, width=160))
    return capture.get()


def test_every_mirror_says_how_far_behind_it_is() -> None:
    mirrors = (
        MirrorState(url="s3://a", newest=7, missing=0),
        MirrorState(url="s3://b", newest=5, missing=2),
        MirrorState(url="gs://c", error="no answer"),
    )

    assert "level, 2 behind, failed" in shown(ShardView(shard="commerce/-80", mirrors=mirrors))


def test_without_mirrors_there_is_no_column_for_them() -> None:
    assert "mirrors" not in shown(ShardView(shard="commerce/-80"))
