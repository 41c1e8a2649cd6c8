"""Two minutes of the soak; half an hour of it is ``make soak``, whose figures stand in ``docs/reliability.md``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.soak import soak

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def test_two_minutes_of_kills_spoil_no_backup_and_leak_nothing(tmp_path: Path) -> None:
    figures = soak(tmp_path, float(os.environ.get("SOAK_MINUTES", "2")), seed=1)
    print("\n".join(figures.rows()))

    assert figures.wrong == []
    assert figures.kills.total() >= 4
    assert figures.proven >= 8
    assert figures.backups >= 8
