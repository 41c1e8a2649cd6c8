"""Small files and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemark import files
from tidemark.errors import ConfigError

pytestmark = pytest.mark.unit


def test_a_file_is_replaced_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_atomically(path, b"old")
    files.write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.mkdir()

    with pytest.raises(OSError, match="directory"):
        files.write_atomically(path, b"new")

    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_is_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "password"
    files.write_atomically(path, b"s3cret\n")

    assert files.read_secret(path, "password") == "s3cret"


@pytest.mark.parametrize(("content", "mode", "said"), [(b"x", 0o644, "mode 0644"), (b"", 0o600, "is empty")])
def test_a_bad_secret_file_is_refused(tmp_path: Path, content: bytes, mode: int, said: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(mode)

    with pytest.raises(ConfigError, match=said):
        files.read_secret(path, "password")


def test_a_missing_secret_file_is_told_with_what_it_is_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the password: .* cannot be read: No such file"):
        files.read_secret(tmp_path / "none", "the password")
