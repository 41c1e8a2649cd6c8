"""Pages that are made from the code are up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]


def test_the_configuration_reference_is_what_the_models_say() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "configuration-reference"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert made.stdout == (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"), (
        "run scripts/configuration-reference docs/configuration.md"
    )
