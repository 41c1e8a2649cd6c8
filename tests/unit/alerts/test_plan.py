"""What is told of a shard: once, again after a while, and that it is over once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidemark.alerts.plan import Event, Findings, Habits, plan
from tidemark.alerts.webhook import LINES, slack
from tidemark.fleet.health import Kind, Trouble
from tidemark.fleet.incidents import Incident

pytestmark = pytest.mark.unit

NOW = datetime(2026, 11, 26, 3, tzinfo=UTC)
SHARD = "commerce/-80"


class Shard:
    """A shard over time: what is told of it when it looks like this."""

    def __init__(self) -> None:
        self.known: Incident | None = None

    def look(self, minutes: float, *kinds: Kind) -> Event | None:
        troubles = tuple(Trouble(kind=kind, message=kind) for kind in kinds)
        event, self.known = plan(
            SHARD,
            self.known,
            Findings(troubles),
            NOW + timedelta(minutes=minutes),
            Habits(repeat_every=timedelta(hours=12), patience=timedelta(hours=24)),
        )
        return event

    def said(self, minutes: float, *kinds: Kind) -> str:
        event = self.look(minutes, *kinds)
        return event.event if event else ""


def test_a_trouble_is_told_once_and_that_it_is_over_once() -> None:
    shard = Shard()

    assert [shard.said(0), shard.said(1, "failed"), shard.said(2, "failed"), shard.said(3), shard.said(4)] == [
        "",
        "problem",
        "",
        "recovered",
        "",
    ]


def test_what_gets_worse_is_told_at_once_and_what_comes_back_is_not_new() -> None:
    shard = Shard()

    said = [
        shard.said(0, "failed"),
        shard.said(1, "age", "failed"),
        shard.said(2, "age"),
        shard.said(3, "age", "failed"),
        shard.said(4),
    ]
    assert said == ["problem", "worse", "", "", "recovered"]


def test_the_same_is_repeated_after_a_while_and_keeps_its_beginning() -> None:
    shard = Shard()
    shard.look(0, "failed")

    assert shard.said(719, "failed") == ""
    event = shard.look(720, "failed")
    assert event is not None
    assert (event.event, event.since) == ("still", NOW)
    assert shard.said(721, "failed") == ""
    assert shard.said(1441, "failed") == "still"


def test_a_new_shard_is_given_time_for_its_first_run() -> None:
    shard = Shard()

    assert shard.said(0, "no-backup") == ""
    assert shard.said(1439, "no-backup") == ""
    assert shard.said(1440, "no-backup") == "problem"
    assert shard.said(1441) == "recovered"


def test_a_new_shard_whose_first_run_fails_is_told_at_once() -> None:
    shard = Shard()
    shard.look(0, "no-backup")

    assert shard.said(5, "no-backup", "failed") == "problem"


def test_a_new_shard_that_gets_its_backup_in_time_is_never_told() -> None:
    shard = Shard()
    shard.look(0, "no-backup")

    assert shard.said(60) == ""
    assert shard.known is None


def test_a_chat_message_is_bounded_and_its_text_is_no_markup() -> None:
    trouble = Trouble(kind="failed", message="<!channel> & more")
    event = Event(event="problem", shard=SHARD, since=NOW, troubles=(trouble,), hint="try")

    assert slack([event])["text"] == f"🔴 {SHARD}: &lt;!channel&gt; &amp; more\nHINT: try"
    many = slack([event] * (LINES + 7))["text"].splitlines()
    assert len(many) == LINES + 1
    assert many[-1].startswith("... and 7 more")
