"""Server programs that a test needs: a machine at home may lack them, the build machine may not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from sandbox.primary import programs_found
from sandbox.programs import Flavour


def need_program(name: str | Path) -> Path:
    """Where the program is. Without it the test is skipped at home and fails when ``$CI`` is set."""
    found = shutil.which(str(name))
    if found is None:
        go_without(f"there is no program {name}")
    return Path(str(found))


def need_flavour(flavour: Flavour) -> None:
    """The server and client programs of this flavour, or no test."""
    if not programs_found(flavour):
        go_without(f"there are no programs of {flavour}")


def go_without(reason: str) -> NoReturn:
    """Skips the test at home and fails it on the build machine."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
