"""What of a data folder belongs into a backup."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tidemark.errors import ServerError
from tidemark.mysql.data_folder.selection import select_files

pytestmark = pytest.mark.unit


def fill(data: Path, *names: str) -> None:
    for name in names:
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_mysql_leaves_out_what_belongs_to_one_server(tmp_path: Path) -> None:
    kept = (
        "#innodb_redo/#ib_redo7",
        "a@0020b/auto.cnf",
        "a@0020b/binlog.ibd",
        "ibdata1",
        "mysql.ibd",
        "mysql/general_log.CSV",
        "undo_001",
        "pictures/key.pem.ibd",
    )
    left_out = (
        "auto.cnf",
        "mysqld-auto.cnf",
        "ca-key.pem",
        "private_key.pem",
        "public_key.pem",
        "server-cert.pem",
        "#ib_16384_0.dblwr",
        "#ib_16384_1.bdblwr",
        "#innodb_temp/temp_1.ibt",
        "#innodb_redo/#ib_redo8_tmp",
        "#clone/#view_status",
        "ibtmp1",
        "ib_buffer_pool",
        "binlog.000001",
        "binlog.index",
        "db1-bin.000012",
        "db1-relay-bin.000001",
        "db1-relay-bin.index",
        "relay-log.info",
        "master.info",
        "db1.pid",
        "mysql.sock.lock",
        "error.log",
    )
    fill(tmp_path, *kept, *left_out)
    selection = select_files(tmp_path, "mysql")
    assert selection.files == tuple(sorted(kept))
    assert selection.directories == ("#innodb_redo", "a@0020b", "mysql", "pictures")


def test_mariadb_leaves_out_what_belongs_to_one_server(tmp_path: Path) -> None:
    kept = (
        "aria_log.00000001",
        "aria_log_control",
        "ib_logfile0",
        "ibdata1",
        "mysql/global_priv.MAD",
        "mysql_upgrade_info",
        "shop/db.opt",
        "shop/binlog.000001.ibd",
        "shop/t#P#p0.ibd",
        "undo001",
    )
    left_out = (
        "binlog.000001",
        "binlog.000001.idx",
        "binlog.index",
        "binlog.state",
        "db1-bin.000003",
        "db1-bin.state",
        "db1-relay-bin.000001",
        "ddl_recovery.log",
        "ddl_recovery-backup.log",
        "ib_buffer_pool",
        "ibtmp1",
        "master.info",
        "master-two.info",
        "multi-master.info",
        "relay-log.info",
        "tc.log",
        "db1.pid",
        "debian-10.11.flag",
    )
    fill(tmp_path, *kept, *left_out)
    assert select_files(tmp_path, "mariadb").files == tuple(sorted(kept))


def test_an_empty_schema_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert select_files(tmp_path, "mysql").directories == ("empty",)


@pytest.mark.parametrize("name", ["shop/t.ibd", "shop"])
def test_a_symbolic_link_is_refused_by_name(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "elsewhere/t.ibd", "data/ibdata1")
    link = tmp_path / "data" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServerError, match=f"{link} says that a table is kept outside"):
        select_files(tmp_path / "data", "mysql")


def test_the_file_that_names_a_remote_tablespace_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "shop/t.isl")
    with pytest.raises(ServerError, match="DATA DIRECTORY"):
        select_files(tmp_path, "mariadb")


def test_a_socket_is_left_out_and_a_pipe_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
    assert select_files(tmp_path, "mysql").files == ()
    os.mkfifo(tmp_path / "p")
    with pytest.raises(ServerError, match="neither a file nor a folder"):
        select_files(tmp_path, "mysql")


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
@pytest.mark.parametrize("schema", ["ibtmp", "ibtmp1", "ib_buffer_pool", "mysqld", "undo_001", "tc", "binlog", "shop"])
def test_no_schema_is_left_out_whatever_it_is_called(tmp_path: Path, flavour: str, schema: str) -> None:
    fill(tmp_path, f"{schema}/t.ibd", f"{schema}/auto.cnf", f"{schema}/relay-bin.frm")
    selection = select_files(tmp_path, flavour)
    assert selection.directories == (schema,)
    assert len(selection.files) == 3


@pytest.mark.parametrize(
    "name", ["relay-bin-archive.ibd", "a-relay-bin.ibd", "binlog.ibd", "x-bin.000001.ibd", "un.ibu"]
)
def test_no_tablespace_that_a_user_has_named_is_left_out(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name)
    assert select_files(tmp_path, "mysql").files == (name,)


@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_a_file_that_the_server_names_as_its_own_is_in_whatever_it_is_called(tmp_path: Path, flavour: str) -> None:
    fill(tmp_path, "data.log", "other.log")
    assert select_files(tmp_path, flavour, frozenset({"data.log"})).files == ("data.log",)


@pytest.mark.parametrize("folder", ["#innodb_temp", "#clone", "#tmp"])
def test_a_folder_that_is_made_anew_at_each_start_is_left_out_with_all_in_it(tmp_path: Path, folder: str) -> None:
    fill(tmp_path, f"{folder}/deep/file", "ibdata1")
    assert select_files(tmp_path, "mysql") == select_files(tmp_path, "mariadb")
    assert select_files(tmp_path, "mysql").directories == ()
