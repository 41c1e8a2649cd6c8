"""What tests of every kind share."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

from sandbox.primary import Account, Primary

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("tidemark", deadline=None)
settings.load_profile("tidemark")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # What a shell starts with "&" ignores Ctrl-C, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def account(primary: Primary) -> Account:
    """An account with the rights that a backup needs, on the module's own ``primary``."""
    return primary.create_backup_account()
