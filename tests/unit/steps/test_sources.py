"""Which source a run takes, and what it does while there is none; the servers are played."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pytest

from tests.support.project import Project
from tidemark import mysql
from tidemark.errors import (
    ErrantTransactions,
    PrimaryUnclear,
    SourceDenied,
    SourceUnfit,
    SourceUnreachable,
    TidemarkError,
)
from tidemark.progress import Progress, always
from tidemark.steps import Run, sources
from tidemark.steps.sources import Found

pytestmark = pytest.mark.unit

SHARD = "commerce/-80"
PRIMARY, REPLICA = (mysql.Endpoint(host, 3306, "u", "p") for host in ("primary", "replica"))


class Server:
    """A server that answers, or not; ``lacks`` is what it says of any position."""

    def __init__(self, error: TidemarkError | None = None, lacks: bool = False) -> None:
        self.error, self.lacks = error, lacks

    def check_not_errant(self, position: str, whose: str) -> None:
        if self.lacks:
            raise ErrantTransactions(f"{whose} holds {position}, which this one has never seen")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None


@pytest.fixture
def run(tmp_path: Path) -> Run:
    project = Project(tmp_path)
    project.add(SHARD, port=1, user="u", password="p", stall_timeout="3s")
    return Run.create(project.settings(), project.path, SHARD, node_id="node@test")


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says who is found, who the primary is, and how each server answers."""

    def say(found: Found | TidemarkError, *, known: mysql.Endpoint | None = None, **servers: Server) -> None:
        def find(*_: object) -> Found:
            if isinstance(found, TidemarkError):
                raise found
            return found

        def connect(endpoint: mysql.Endpoint, *_: object) -> Server:
            server = servers.get(endpoint.host, Server())
            if server.error:
                raise server.error
            return server

        monkeypatch.setattr(sources, "find", find)
        monkeypatch.setattr(sources, "_primary_if_known", lambda *_: known)
        monkeypatch.setattr(mysql, "connect", connect)

    return say


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; sleeping makes it pass."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.mark.parametrize("kind", [SourceUnreachable, PrimaryUnclear])
def test_a_source_that_may_come_back_is_waited_for_and_then_given_up(
    run: Run, play: Callable[..., None], clock: list[float], kind: type[TidemarkError]
) -> None:
    play(kind("db1 is not there\nsecond line", "look at db1"))
    told: list[Progress] = []

    with pytest.raises(kind, match=r"\(waited 2 s for it\)") as caught:
        sources.wait(run, told.append, always)

    assert caught.value.hint == "look at db1"
    assert [(moment.phase, moment.detail) for moment in told] == [("waiting for the source", "db1 is not there")]
    assert clock == [1002.0]


def test_what_waiting_does_not_mend_is_told_at_once(run: Run, play: Callable[..., None], clock: list[float]) -> None:
    play(SourceDenied("access denied"))

    with pytest.raises(SourceDenied):
        sources.wait(run, lambda _: None, always)
    assert clock == [1000.0]


def test_whoever_ends_the_run_ends_the_wait(run: Run, play: Callable[..., None]) -> None:
    play(SourceUnreachable("db1 is not there"))

    def guard() -> None:
        raise SourceDenied("over")

    with pytest.raises(SourceDenied, match="over"):
        sources.wait(run, lambda _: None, guard)


def test_a_primary_is_followed_without_a_question(run: Run, play: Callable[..., None]) -> None:
    play(Found(PRIMARY), primary=Server(lacks=True))

    assert sources.find_again(run, "0-1-9") == PRIMARY


def test_a_replica_that_has_everything_is_followed(run: Run, play: Callable[..., None]) -> None:
    play(Found(REPLICA, 1.0), known=PRIMARY)

    assert sources.find_again(run, "0-1-9") == REPLICA


def test_a_replica_that_is_not_as_far_as_the_copy_is_worth_waiting_for(run: Run, play: Callable[..., None]) -> None:
    play(Found(REPLICA, 1.0), known=PRIMARY, replica=Server(lacks=True))

    with pytest.raises(SourceUnfit, match="is not as far yet as the copy, which is at 0-1-9"):
        sources.find_again(run, "0-1-9")


@pytest.mark.parametrize("primary", [Server(lacks=True), Server(SourceUnreachable("not there"))])
def test_what_the_primary_lacks_too_is_left_to_the_catch_up_to_refuse(
    run: Run, play: Callable[..., None], primary: Server
) -> None:
    play(Found(REPLICA, 1.0), known=PRIMARY, replica=Server(lacks=True), primary=primary)
    assert sources.find_again(run, "0-1-9") == REPLICA

    play(Found(REPLICA, 1.0), known=None, replica=Server(lacks=True))
    assert sources.find_again(run, "0-1-9") == REPLICA


def test_a_primary_that_cannot_say_is_no_reason_to_have_no_backup(
    run: Run, play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    play(Found(REPLICA, 1.0), known=PRIMARY)
    sources.check_not_errant(run, Found(REPLICA, 1.0), "0-1-9")
    play(Found(REPLICA, 1.0), known=None)
    sources.check_not_errant(run, Found(REPLICA, 1.0), "0-1-9")
    sources.check_not_errant(run, Found(PRIMARY), "0-1-9")
    assert "errant" not in caplog.text

    play(Found(REPLICA, 1.0), known=PRIMARY, primary=Server(SourceUnreachable("not there")))
    sources.check_not_errant(run, Found(REPLICA, 1.0), "0-1-9")
    assert "nobody can say whether replica:3306 holds errant transactions" in caplog.text


def test_a_replica_that_holds_something_of_its_own_is_refused(run: Run, play: Callable[..., None]) -> None:
    play(Found(REPLICA, 1.0), known=PRIMARY, primary=Server(lacks=True))

    with pytest.raises(ErrantTransactions, match="the replica replica:3306 holds 0-1-9"):
        sources.check_not_errant(run, Found(REPLICA, 1.0), "0-1-9")
