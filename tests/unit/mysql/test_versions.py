"""Which server opens what."""

from __future__ import annotations

import pytest

from tidemark.errors import ServerError
from tidemark.mysql.versions import check_can_open, mariadb_needs, mysql_needs, parse_version

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("installed", "written", "opens"),
    [
        ("9.7.4", "9.7.4", True),
        ("9.7.1", "9.7.4", True),
        ("9.7.4", "9.6.0", True),
        ("9.7.4", "8.4.3", True),
        ("9.7.4", "8.0.36", False),
        ("8.4.0", "8.0.36", True),
        ("8.4.0", "5.7.44", False),
        ("8.0.36", "5.7.44", True),
        ("8.0.36", "8.0.36", True),
        ("8.0.35", "8.0.36", False),
        ("8.0.36", "8.4.0", False),
        ("8.4.9", "9.0.0", False),
        ("11.0.0", "9.7.4", True),
    ],
)
def test_mysql_opens_its_own_series_and_the_one_before(installed: str, written: str, opens: bool) -> None:
    assert (mysql_needs(parse_version(installed), parse_version(written)) == "") == opens


@pytest.mark.parametrize(
    ("installed", "written", "opens"),
    [("10.11.19", "10.11.20", True), ("10.11.19", "11.4.1", False), ("11.4.1", "10.6.5", True)],
)
def test_mariadb_opens_what_older_series_have_written(installed: str, written: str, opens: bool) -> None:
    assert (mariadb_needs(parse_version(installed), parse_version(written)) == "") == opens


def test_a_refusal_names_both_versions_and_what_to_install() -> None:
    with pytest.raises(ServerError) as caught:
        check_can_open("MySQL", mysql_needs, "8.0.30", "8.4.2-log")
    assert "8.0.30" in caught.value.message
    assert "8.4.2" in caught.value.message
    assert "mysql_bin" in caught.value.hint


def test_a_text_without_a_version_is_refused() -> None:
    assert parse_version("mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))") == (9, 7, 4)
    with pytest.raises(ValueError, match="is not a version"):
        parse_version("mysqld")
