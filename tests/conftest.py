"""What tests of every kind share."""

from __future__ import annotations

import gc
import signal

import pytest
from hypothesis import settings

from sandbox import templates
from sandbox.primary import Account, Primary
from tests.support import turns

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("tidemark", deadline=None)
settings.load_profile("tidemark")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # What a shell starts with "&" ignores Ctrl-C, and so would every program that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What ``--numprocesses auto`` stands for."""
    return turns.processes()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The processes of a parallel run take the files in this order (with ``--no-loadscope-reorder``)."""
    if hasattr(config, "workerinput"):
        items[:] = turns.longest_first(items)


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import stay to the end; garbage is not looked for among them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _shared_templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The processes of a parallel run share the empty data folders that servers begin with."""
    if hasattr(request.config, "workerinput"):
        templates.use_folder(tmp_path_factory.getbasetemp().parent / "templates")


@pytest.fixture(scope="module")
def account(primary: Primary) -> Account:
    """An account with the rights that a backup needs, on the module's own ``primary``."""
    return primary.create_backup_account()
