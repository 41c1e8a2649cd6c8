"""In which order the processes of a parallel run take the test files.

The longest come first: what begins last must be short, or one process works at the end while the others look on. Many
of these tests wait for most of their time (for a worker, a server, a kill that comes every twenty seconds), so a run
has more processes than the machine has cores.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]

SECONDS = {
    "acceptance/test_demo.py": 420,
    "faults/test_points.py": 410,
    "acceptance/test_documentation.py": 300,
    "faults/test_soak.py": 250,
    "contract/test_flavours.py": 240,
    "integration/test_mysql_sources.py": 200,
    "integration/test_steps.py": 220,
    "integration/test_main_job.py": 150,
    "integration/test_primary_troubles.py": 150,
    "acceptance/test_fleet_faults.py": 140,
    "faults/test_primaries.py": 140,
    "acceptance/test_fleet_real.py": 100,
    "acceptance/test_cli_signals.py": 90,
    "faults/test_many_shards.py": 80,
    "acceptance/test_fleet_resume.py": 75,
    "contract/test_storage.py": 70,
    "integration/test_keys_and_prune.py": 70,
    "acceptance/test_fleet_clouds.py": 65,
    "acceptance/test_page.py": 60,
    "integration/test_damaged_newest.py": 60,
    "acceptance/test_cli_fleet.py": 55,
    "acceptance/test_fleet_beat.py": 55,
    "acceptance/test_fleet_secrets.py": 45,
    "acceptance/test_cli_errors.py": 45,
    "integration/test_source_truth.py": 45,
    "integration/test_inventory.py": 40,
    "integration/test_surroundings.py": 40,
    "integration/test_drill.py": 40,
    "integration/test_restore_tables.py": 35,
    "integration/test_pages.py": 33,
    "acceptance/test_fleet_choreography.py": 32,
    "integration/test_restore_delta.py": 31,
    "integration/test_rights.py": 30,
    "integration/test_sandbox.py": 29,
    "acceptance/test_cli_truth.py": 27,
    "acceptance/test_fleet_turns.py": 24,
    "acceptance/test_fleet_stopping.py": 23,
    "acceptance/test_fleet_cancel.py": 23,
    "integration/test_mirrors.py": 20,
}
"""How long a file took when it was last looked at, for those that take longest. Only the order counts."""

PROCESSES_PER_CORE = 2
MEMORY_OF_PROCESS = 2 << 30
"""What a process and the servers of its tests may need, in bytes."""


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The same tests, each file's in their own order."""
    return sorted(items, key=lambda item: -SECONDS.get(item.path.relative_to(ROOT / "tests").as_posix(), 0))


def processes() -> int:
    """How many processes share the tests of a parallel run."""
    room = psutil.virtual_memory().available // MEMORY_OF_PROCESS
    return max(1, min(PROCESSES_PER_CORE * len(os.sched_getaffinity(0)), room))
