"""Who a request is from."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tidemark.config import FlowerSettings
from tidemark.errors import ConfigError
from tidemark.web import login, users
from tidemark.web.login import Gate
from tidemark.web.users import Users

pytestmark = pytest.mark.unit

PASSWORD = "pässword: with a colon"


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Users:
    monkeypatch.setattr(users, "ROUNDS", 4)
    made = Users(tmp_path / "users", {})
    made.set("alice", PASSWORD)
    made.write()
    return made


def test_a_login_is_known_by_its_name(file: Users) -> None:
    gate = Gate(Users.read(file.path))

    assert gate.who(basic("alice", PASSWORD)) == "alice"
    assert gate.who(basic("alice", PASSWORD)) == "alice"  # from memory
    assert gate.who(basic("alice", "wrong")) is None


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Basic YWxpY2U=", "Bearer x", "Basic " + base64.b64encode(b"\xff:\xff").decode()]
)
def test_what_is_no_login_is_nobody(file: Users, header: str) -> None:
    assert Gate(file).who(header) is None


def test_a_login_that_is_taken_away_has_ended(file: Users) -> None:
    gate = Gate(Users.read(file.path))
    assert gate.who(basic("alice", PASSWORD)) == "alice"

    file.set("bob", PASSWORD)
    del file.hashes["alice"]
    file.write()

    assert gate.who(basic("alice", PASSWORD)) is None
    assert gate.who(basic("bob", PASSWORD)) == "bob"


def test_a_file_that_is_spoilt_later_lets_nobody_in(file: Users) -> None:
    gate = Gate(Users.read(file.path))
    assert gate.who(basic("alice", PASSWORD)) == "alice"

    file.path.chmod(0o644)

    assert gate.who(basic("alice", PASSWORD)) is None


def test_without_anybody_who_could_log_in_there_is_no_flower(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody is configured to log in"):
        login.install(FlowerSettings())
    Users(tmp_path / "users", {}).write()
    with pytest.raises(ConfigError, match="names nobody"):
        login.install(FlowerSettings(users_file=tmp_path / "users"))
