"""The file of those who may log in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tidemark.errors import ConfigError
from tidemark.web import users
from tidemark.web.users import Users

pytestmark = pytest.mark.unit

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "ROUNDS", 4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = Users(tmp_path / "users", {})
    made.set("alice", PASSWORD)
    made.write()
    return made.path


def test_only_the_right_password_of_the_right_name_is_right(file: Path) -> None:
    read = Users.read(file)

    assert read.check("alice", PASSWORD)
    assert not read.check("alice", PASSWORD + " ")
    assert not read.check("alice", "")
    assert not read.check("bob", PASSWORD)
    assert not read.check("", PASSWORD)


def test_the_file_is_for_its_owner_only_and_holds_no_password(file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()


def test_a_password_that_was_changed_is_no_longer_right(file: Path) -> None:
    read = Users.read(file)
    read.set("alice", "another one, longer")
    read.write()

    again = Users.read(file)
    assert again.check("alice", "another one, longer")
    assert not again.check("alice", PASSWORD)


def test_the_lines_of_htpasswd_are_understood(file: Path) -> None:
    """Apache's program calls the algorithm 2y."""
    file.write_text("# people\n\n" + file.read_text().replace("$2b$", "$2y$"))

    assert Users.read(file).check("alice", PASSWORD)


@pytest.mark.parametrize("line", ["alice:in the clear", "alice", ":$2b$04$" + "a" * 53, "../x:$2b$04$" + "a" * 53])
def test_a_line_that_is_none_is_named_by_its_number_and_never_shown(file: Path, line: str) -> None:
    file.write_text(file.read_text() + line + "\n")

    with pytest.raises(ConfigError, match="line 2 of") as caught:
        Users.read(file)
    assert line not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(file: Path) -> None:
    file.chmod(0o640)

    with pytest.raises(ConfigError, match="mode 0640"):
        Users.read(file)


def test_a_missing_file_is_an_error_but_for_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        Users.read(tmp_path / "users")
    assert Users.read(tmp_path / "users", missing_ok=True).hashes == {}


@pytest.mark.parametrize("password", ["short", "x" * 73, "ü" * 37, "ten\0characters"])
def test_a_password_that_bcrypt_would_cut_or_that_is_short_is_refused(tmp_path: Path, password: str) -> None:
    with pytest.raises(ConfigError, match="at least 10 characters and at most 72 bytes"):
        Users(tmp_path / "users", {}).set("alice", password)


def test_what_is_longer_than_bcrypt_looks_is_not_right_by_its_beginning(tmp_path: Path) -> None:
    made = Users(tmp_path / "users", {})
    made.set("alice", "x" * 72)

    assert made.check("alice", "x" * 72)
    assert not made.check("alice", "x" * 73)


@pytest.mark.parametrize("name", ["", "a:b", "a/b", ".a", "a b", "a\nb", "x" * 65])
def test_a_name_cannot_be_just_anything(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a login"):
        Users(tmp_path / "users", {}).set(name, PASSWORD)
