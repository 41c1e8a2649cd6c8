"""How a flavour's programs log in to a source: by an option file that is gone when they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tidemark.mysql.endpoint import Endpoint
from tidemark.mysql.layout import Layout
from tidemark.mysql.options import option_file, write_private


@contextlib.contextmanager
def source_login(layout: Layout, endpoint: Endpoint, encryption: Mapping[str, str | None]) -> Iterator[Path]:
    """An option file with the account, for as long as the block runs. ``encryption`` is in the flavour's own words."""
    path = layout.server / "source.cnf"
    values: dict[str, str | None] = {
        "host": endpoint.tcp_host,
        "port": str(endpoint.port),
        "user": endpoint.user,
        "password": endpoint.password,
        "protocol": "tcp",
        **encryption,
    }
    write_private(path, option_file({"client": values}))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def mysql_encryption(endpoint: Endpoint, *, encrypted: bool) -> dict[str, str | None]:
    """In the words of MySQL's programs."""
    if not encrypted:
        return {"ssl-mode": "DISABLED", "get-server-public-key": None}
    words: dict[str, str | None] = {"ssl-mode": "VERIFY_IDENTITY" if endpoint.tls == "verify" else "REQUIRED"}
    if endpoint.tls == "verify" and endpoint.tls_ca:
        words["ssl-ca"] = str(endpoint.tls_ca)
    return words


def mariadb_encryption(endpoint: Endpoint, *, encrypted: bool) -> dict[str, str | None]:
    """In the words of MariaDB's programs."""
    if not encrypted:
        return {"skip-ssl": None}
    if endpoint.tls != "verify":
        return {"ssl": "1", "loose-skip-ssl-verify-server-cert": None}
    words: dict[str, str | None] = {"ssl": "1", "ssl-verify-server-cert": "1"}
    if endpoint.tls_ca:
        words["ssl-ca"] = str(endpoint.tls_ca)
    return words
