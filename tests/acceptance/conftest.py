"""What the acceptance tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.primary import Account, Primary
from sandbox.workload import fill
from tests.support.needs import need_flavour


@pytest.fixture(scope="module")
def primaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Primary]]:
    """A primary of each flavour, with data."""
    need_flavour("mariadb")
    need_flavour("mysql")
    with (
        Primary(tmp_path_factory.mktemp("mariadb"), "mariadb") as maria,
        Primary(tmp_path_factory.mktemp("mysql"), "mysql") as mysql,
    ):
        for primary in (maria, mysql):
            fill(primary, 8)
        yield {"maria": maria, "mysql": mysql}


@pytest.fixture(scope="module")
def accounts(primaries: dict[str, Primary]) -> dict[str, Account]:
    """On each of them, an account with the rights that a backup needs."""
    return {keyspace: primary.create_backup_account() for keyspace, primary in primaries.items()}
