"""Pages that are made from the code are up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("script", "page"),
    [
        ("architecture-map", "architecture.md"),
        ("configuration-reference", "configuration.md"),
        ("metrics-reference", "metrics.md"),
    ],
)
def test_a_page_is_what_the_code_says(script: str, page: str) -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert made.stdout == (ROOT / "docs" / page).read_text(encoding="utf-8"), f"run scripts/{script} docs/{page}"
