"""Option files: their text, and who may read them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.options import new_server_id, option_file, write_private

pytestmark = pytest.mark.unit


def test_values_with_letters_that_mean_something_are_quoted() -> None:
    text = option_file({"client": {"user": "me", "password": 'a "#;\\ b', "ssl": None}})
    assert text == '[client]\nuser=me\npassword="a \\"#;\\\\ b"\nssl\n'


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_value_cannot_smuggle_in_a_second_option(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        option_file({"mysqld": {"datadir": value}})


def test_a_secret_file_is_private_whatever_the_umask_and_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "account.cnf"
    path.write_text("old")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        write_private(path, "new")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "new"


def test_server_ids_are_in_the_upper_half_and_differ() -> None:
    ids = {new_server_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(2**31 <= number < 2**32 for number in ids)


def test_an_endpoint_never_shows_its_password() -> None:
    endpoint = Endpoint("db1", 3306, "tidemark", "hunter2")
    assert "hunter2" not in repr(endpoint)
    assert str(endpoint) == "db1:3306"
