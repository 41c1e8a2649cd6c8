"""What is read out of a server's log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemark.mysql.server.error_log import ErrorLog

pytestmark = pytest.mark.unit

STARTING = "2026-11-26T04:17:12.297371Z 0 [System] [MY-010116] [Server] mysqld (mysqld 9.7.4) starting\n"
MARIADB = "2026-11-26  4:17:12 0 [Note] InnoDB: Completed initialization of buffer pool\n"


@pytest.mark.parametrize(
    ("log", "console", "complains"),
    [
        (STARTING, "", False),
        (MARIADB, "an old warning\n", False),
        ("", "", False),
        (STARTING + "2026-11-26T04:17:13Z 0 [ERROR] [MY-010119] [Server] Aborting\n", "", True),
        (MARIADB + "261126  4:17:13 [ERROR] mysqld got signal 11 ;\n", "", True),
        ("", "mysqld: error while loading shared libraries: libaio.so.1\n", True),
    ],
)
def test_one_that_was_killed_has_complained_of_nothing(tmp_path: Path, log: str, console: str, complains: bool) -> None:
    (tmp_path / "error.log").write_text(log)
    (tmp_path / "console.log").write_text(console)

    assert ErrorLog(tmp_path / "error.log").complains(tmp_path / "console.log") is complains


def test_what_was_before_the_mark_is_no_complaint_of_now(tmp_path: Path) -> None:
    path, console = tmp_path / "error.log", tmp_path / "console.log"
    path.write_text("[ERROR] of the start before\n")
    log = ErrorLog(path)
    log.mark()
    with path.open("a") as stream:
        stream.write(STARTING)

    assert not log.complains(console)
    assert log.last_line() == "mysqld (mysqld 9.7.4) starting"
