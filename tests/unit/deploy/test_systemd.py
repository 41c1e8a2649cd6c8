"""The units, as systemd itself reads them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.needs import need_program

pytestmark = pytest.mark.unit

FOLDER = Path(__file__).parents[3] / "deploy" / "systemd"
UNITS = [
    *(f"tidemark-{name}.service" for name in ("node@1", "control", "beat", "flower", "exporter", "backup@commerce-x")),
    "tidemark-backup@commerce-x.timer",
]
EXPOSURE = 20
"""Tenths; systemd calls what is below 2.0 "OK" with a smile, and a service without any sandboxing has 96."""


def _analyze(units: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    program = need_program("systemd-analyze")
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:"}
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units with programs that are on this machine, for systemd looks whether they are."""
    folder = tmp_path_factory.mktemp("units")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    for unit in folder.glob("*.service"):
        unit.write_text(
            re.sub(r"^ExecStart=/opt/tidemark/bin/", "ExecStart=/usr/bin/env ", unit.read_text(), flags=re.M)
        )
    return folder


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong(unit: str, units: Path) -> None:
    verified = _analyze(units, "verify", "--man=no", units / unit)

    assert (verified.returncode, verified.stderr) == (0, ""), verified.stderr


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.endswith(".service")])
def test_a_service_is_locked_up(unit: str, units: Path) -> None:
    judged = _analyze(units, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", units / unit)

    assert judged.returncode == 0, judged.stdout


def test_nodes_end_warmly() -> None:
    for name in ("node@", "backup@"):
        text = (FOLDER / f"tidemark-{name}.service").read_text(encoding="utf-8")
        assert "\nKillMode=mixed\n" in text, "the private server must not be told to end before its step has"
        assert "\nTimeoutStopSec=" in text
