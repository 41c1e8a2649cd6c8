"""What tests of every kind share."""

from __future__ import annotations

import pytest

from sandbox.primary import Account, Primary


@pytest.fixture(scope="module")
def account(primary: Primary) -> Account:
    """An account with the rights that a backup needs, on the module's own ``primary``."""
    return primary.create_backup_account()
