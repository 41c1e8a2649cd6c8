"""From settings to tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.project import Project
from tidemark import wiring
from tidemark.progress import Progress, showing_rate

pytestmark = pytest.mark.unit


def test_the_rate_is_shown(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.add("commerce/-80", port=1, user="nobody", password="none")
    project.set("node", restore_rate="50M", stall_timeout="9s")
    seen: list[Progress] = []
    limits = wiring.restore_limits(project.settings())

    showing_rate(limits.rate.rate, "restore_rate", seen.append)(Progress("restoring", 1, 2, "B"))
    showing_rate(None, "restore_rate", seen.append)(Progress("restoring", 2, 2, "B", "x"))

    assert limits.rate.rate == 50 << 20
    assert limits.stall_timeout == 9
    assert [progress.detail for progress in seen] == ["at most 52.4 MB/s (restore_rate)", "x"]
    assert wiring.upload_limits(project.settings()).rate.rate is None
