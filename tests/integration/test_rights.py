"""``tidemark shards --check`` on real servers: what an account lacks, and what it has too much of."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.primary import Flavour, Primary
from tests.support.needs import need_flavour
from tests.support.project import Project

pytestmark = pytest.mark.integration

FLAVOURS: tuple[Flavour, ...] = ("mysql", "mariadb")
NEEDED = {
    "mysql": "REPLICATION SLAVE, REPLICATION CLIENT, BACKUP_ADMIN",
    "mariadb": "REPLICATION SLAVE, BINLOG MONITOR, SELECT, RELOAD, LOCK TABLES, SHOW VIEW, EVENT, TRIGGER",
}


@pytest.fixture(scope="module", params=FLAVOURS)
def primary(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primary]:
    flavour: Flavour = request.param
    need_flavour(flavour)
    with Primary(tmp_path_factory.mktemp(flavour), flavour) as primary:
        yield primary


def account(primary: Primary, name: str, *statements: str) -> str:
    password = secrets.token_urlsafe(12)
    primary.execute(f"CREATE USER {name}@'%' IDENTIFIED BY '{password}'")
    for statement in statements:
        primary.execute(statement.format(user=f"{name}@'%'"))
    return password


def check(primary: Primary, tmp_path: Path, user: str, password: str, **keys: Any) -> tuple[int, dict[str, Any], str]:
    folder = tmp_path / secrets.token_hex(4)
    folder.mkdir()
    project = Project(folder)
    project.add("a/b", port=primary.port, user=user, password=password, **keys)
    done = project.tidemark("shards", "--check", "--json")
    return done.returncode, json.loads(done.stdout)[0], project.tidemark("shards", "--check").stderr


def test_what_is_missing_is_named_and_what_is_printed_mends_it(primary: Primary, tmp_path: Path) -> None:
    password = account(primary, "poor")
    status, line, _ = check(primary, tmp_path, "poor", password)
    assert status == 1
    for right in NEEDED[primary.flavour].split(", "):
        assert right in line["problem"]
    if primary.flavour == "mysql":
        assert "no the CLONE plugin" in line["problem"]

    statements = line["problem"].partition("on the source: ")[2]
    for statement in filter(str.strip, statements.split(";")):
        primary.execute(statement)

    status, line, told = check(primary, tmp_path, "poor", password)
    assert (status, line["problem"], line["too_much"], line["revoke"]) == (0, "", [], ""), told


def test_what_is_too_much_is_a_warning_and_what_is_printed_takes_it_away(primary: Primary, tmp_path: Path) -> None:
    password = account(
        primary,
        "rich",
        f"GRANT {NEEDED[primary.flavour]}, INSERT, SUPER ON *.* TO {{user}} WITH GRANT OPTION",
        "GRANT DROP ON nothing.* TO {user}",
    )
    if primary.flavour == "mysql" and not primary.execute(
        "SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone'"
    ):
        primary.execute("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
    status, line, told = check(primary, tmp_path, "rich", password)
    assert status == 0
    assert line["problem"] == ""
    assert {"INSERT", "SUPER", "GRANT OPTION"} <= set(line["too_much"])
    assert any(entry.startswith("DROP ON ") for entry in line["too_much"])
    assert "may do more than it needs" in told

    for statement in filter(str.strip, line["revoke"].split(";")):
        primary.execute(statement)

    _, line, _ = check(primary, tmp_path, "rich", password)
    assert line["problem"] == ""
    assert all(" ON " in entry for entry in line["too_much"])


def test_an_account_that_may_do_everything_lacks_nothing_and_is_warned_of(primary: Primary, tmp_path: Path) -> None:
    password = account(primary, "mighty", "GRANT ALL PRIVILEGES ON *.* TO {user}")
    status, line, _ = check(primary, tmp_path, "mighty", password, first_backup="refuse")
    assert status == 0
    assert line["too_much"]
    assert line["revoke"].startswith("REVOKE ")


def test_rights_that_come_by_a_role_count(primary: Primary, tmp_path: Path) -> None:
    primary.execute("CREATE ROLE backup_role")
    every_run = f"REPLICATION SLAVE, {'REPLICATION CLIENT' if primary.flavour == 'mysql' else 'BINLOG MONITOR'}"
    primary.execute(f"GRANT {every_run} ON *.* TO backup_role")
    password = account(primary, "actor", "GRANT backup_role TO {user}")
    status, line, _ = check(primary, tmp_path, "actor", password, first_backup="refuse")
    assert (status, "REPLICATION SLAVE" in line["problem"]) == (1, True)  # a role that no login activates

    joint = "TO" if primary.flavour == "mysql" else "FOR"
    primary.execute(f"SET DEFAULT ROLE backup_role {joint} actor@'%'")

    status, line, told = check(primary, tmp_path, "actor", password, first_backup="refuse")
    assert (status, line["problem"], line["too_much"]) == (0, "", []), told
