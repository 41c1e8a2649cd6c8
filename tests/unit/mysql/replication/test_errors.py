"""What replication threads say, read as what never heals and what may."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidemark.errors import BinlogsPurged, ErrantTransactions, ReplicationFailed, SourceDenied, SourceUnreachable
from tidemark.mysql.flavours.base import ReplicaStatus
from tidemark.mysql.replication import errors

pytestmark = pytest.mark.unit

WELL = ReplicaStatus("Yes", True, 0, "", 0, "", 0, "log:4", False)


def test_purged_logs_and_a_diverged_source_never_heal() -> None:
    purged = replace(WELL, receive_errno=1236, receive_error="the source has purged binary logs")
    errant = replace(WELL, receive_errno=1236, receive_error="the slave has more GTIDs than the master has")

    assert isinstance(errors.hopeless(purged, "a:1"), BinlogsPurged)
    assert isinstance(errors.hopeless(errant, "a:1"), ErrantTransactions)
    assert errors.hopeless(replace(WELL, receive_errno=1236, receive_error="log event too large"), "a:1") is None
    assert errors.hopeless(replace(WELL, receive_errno=2003, receive_error="cannot connect"), "a:1") is None


def test_an_apply_error_comes_with_its_hint_and_is_tried_again_only_if_that_helps() -> None:
    duplicate = replace(WELL, apply_errno=1062, apply_error="Duplicate entry")
    full = replace(WELL, apply_errno=1114, apply_error="The table is full")

    found = errors.trouble(duplicate, "a:1")

    assert isinstance(found, ReplicationFailed)
    assert "Duplicate entry (1062)" in found.message
    assert "the copy is not what the primary has" in found.hint
    assert errors.will_fail_again(duplicate)
    assert not errors.will_fail_again(full)
    told = errors.trouble(full, "a:1")
    assert told is not None
    assert "disk of this node" in told.hint
    assert not errors.will_fail_again(WELL)


def test_a_refused_account_is_told_from_a_source_that_is_away() -> None:
    assert isinstance(errors.trouble(replace(WELL, receive_errno=1045, receive_error="no"), "a:1"), SourceDenied)
    assert isinstance(errors.trouble(replace(WELL, receive_errno=2003, receive_error="no"), "a:1"), ReplicationFailed)
    assert errors.trouble(WELL, "a:1") is None


def test_a_stall_is_of_the_kind_of_its_last_trouble() -> None:
    away = errors.stalled(SourceUnreachable("a:1 does not answer", "look"), "no progress for 5 s", "a:1")

    assert isinstance(away, SourceUnreachable)
    assert (away.message, away.hint) == ("no progress for 5 s: a:1 does not answer", "look")
    silent = errors.stalled(None, "no progress for 5 s", "a:1, receiving: Yes")
    assert isinstance(silent, ReplicationFailed)
    assert "a:1, receiving: Yes" in silent.message
