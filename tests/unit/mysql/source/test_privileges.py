"""Too little and too much, from the lines that servers print."""

from __future__ import annotations

import pytest

from tidemark.mysql.source.privileges import Review, judge

pytestmark = pytest.mark.unit

ACCOUNT = "'tidemark'@'%'"
TO = "TO `tidemark`@`%`"


def mysql(*lines: str, first_copy: bool = True, replica: bool = False) -> Review:
    return judge(lines, "mysql", ACCOUNT, first_copy=first_copy, replica=replica)


def maria(*lines: str, first_copy: bool = True, replica: bool = False) -> Review:
    return judge(lines, "mariadb", ACCOUNT, first_copy=first_copy, replica=replica)


def test_what_is_needed_and_no_more_is_fine() -> None:
    assert (
        mysql(f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* {TO}", f"GRANT BACKUP_ADMIN ON *.* {TO}") == Review()
    )
    assert mysql(f"GRANT SELECT, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT, TRIGGER ON *.* {TO}",
                 f"GRANT BACKUP_ADMIN ON *.* {TO}") == Review()  # fmt: skip
    assert mysql(f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* {TO}", first_copy=False) == Review()
    assert maria(f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* {TO} IDENTIFIED BY PASSWORD '*A'", first_copy=False) == Review()  # fmt: skip  # noqa: E501


def test_each_missing_right_is_named_with_the_grant_to_type() -> None:
    found = mysql(f"GRANT USAGE ON *.* {TO}")
    assert found.missing == ("REPLICATION SLAVE", "REPLICATION CLIENT", "BACKUP_ADMIN")
    assert found.grant == "GRANT REPLICATION SLAVE, REPLICATION CLIENT, BACKUP_ADMIN ON *.* TO 'tidemark'@'%';"
    assert maria(f"GRANT REPLICATION SLAVE ON *.* {TO}", first_copy=False).missing == ("BINLOG MONITOR",)
    assert maria(f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* {TO}", first_copy=False, replica=True).missing == (
        "SLAVE MONITOR",
    )


def test_a_right_on_one_schema_is_not_the_global_one() -> None:
    found = maria(f"GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* {TO}", f"GRANT SELECT ON `shop`.* {TO}")
    assert "SELECT" in found.missing
    assert found.too_much == ("SELECT ON `shop`.*",)


def test_what_is_too_much_is_named_with_the_revoke_to_type() -> None:
    found = mysql(f"GRANT INSERT, REPLICATION SLAVE, REPLICATION CLIENT, SUPER ON *.* {TO}", first_copy=False)
    assert found.missing == ()
    assert found.too_much == ("INSERT", "SUPER")
    assert found.revoke == "REVOKE INSERT, SUPER ON *.* FROM 'tidemark'@'%';"
    found = mysql(
        f"GRANT INSERT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* {TO} WITH GRANT OPTION", first_copy=False
    )
    assert found.too_much == ("GRANT OPTION", "INSERT")
    assert found.revoke == (
        "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'tidemark'@'%'; "
        "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'tidemark'@'%';"
    )


def test_the_rights_of_a_first_copy_are_too_much_when_none_is_made() -> None:
    found = mysql(f"GRANT SELECT, REPLICATION SLAVE ON *.* {TO}", f"GRANT BACKUP_ADMIN ON *.* {TO}", first_copy=False)
    assert found.too_much == ("BACKUP_ADMIN", "SELECT")


def test_all_privileges_lack_nothing_and_are_too_much() -> None:
    found = maria(f"GRANT ALL PRIVILEGES ON *.* {TO} WITH GRANT OPTION", f"GRANT PROXY ON ''@'%' {TO}")
    assert found.missing == ()
    assert found.too_much == ("ALL PRIVILEGES", "GRANT OPTION", "PROXY ON ''@'%'")
    assert found.revoke.startswith("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'tidemark'@'%'; GRANT REPLICATION SLAVE")


def test_columns_and_roles_do_not_confuse_it() -> None:
    found = mysql(
        f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* {TO}",
        f"GRANT SELECT (`id`, `name`), UPDATE (`id`) ON `shop`.`customer` {TO}",
        f"GRANT `backup_role`@`%` {TO}",
        first_copy=False,
    )
    assert found.too_much == ("SELECT (`id`, `name`), UPDATE (`id`) ON `shop`.`customer`",)
