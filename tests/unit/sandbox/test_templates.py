"""Prepared folders that tests' servers begin with: made once, and only when they are whole."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from sandbox import templates

pytestmark = pytest.mark.unit


def copy_as(number: int, folder: Path) -> str:
    """What one of several processes gets."""
    templates.use_folder(folder / "templates")

    def make(template: Path) -> None:
        template.mkdir()
        (template / "maker").write_text(str(os.getpid()))

    templates.copy("same", make, folder / str(number))
    return (folder / str(number) / "maker").read_text()


def test_processes_that_share_a_folder_make_a_template_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        makers = list(pool.map(copy_as, range(8), [tmp_path] * 8))

    assert len(set(makers)) == 1
    assert (tmp_path / "0").stat().st_mode & 0o777 == 0o700


def test_what_a_killed_process_has_half_made_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_folder", tmp_path)
    (tmp_path / "same.half").mkdir()
    (tmp_path / "same.half" / "torn").touch()

    def make(template: Path) -> None:
        assert not template.exists()
        template.mkdir()
        (template / "whole").touch()

    templates.copy("same", make, tmp_path / "data")

    assert [path.name for path in (tmp_path / "data").iterdir()] == ["whole"]
