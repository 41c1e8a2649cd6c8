"""Telling people through a real HTTP server that fails, hangs and redirects, with a real Redis that remembers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.redis import RedisServer
from tests.support.project import Project
from tests.support.webhook import PATH, Receiver
from tidemark import alerts, fleet
from tidemark.alerts import webhook
from tidemark.config import Settings
from tidemark.errors import AlertError, ConfigError
from tidemark.fleet import incidents, metrics
from tidemark.results import Failure

pytestmark = pytest.mark.integration

GOOD, BAD = "commerce/-80", "commerce/80-"
SECRET = PATH.rpartition("/")[2]


class Scene:
    """Two shards with a backup each, a receiver, and a clock."""

    def __init__(self, folder: Path, server: RedisServer, receiver: Receiver) -> None:
        self.receiver = receiver
        self.file = receiver.write_url(folder / "webhook.url")
        self.project = Project(folder, redis={"url": server.url}, alert={"webhook_url_file": str(self.file)})
        for name in (GOOD, BAD):
            self.project.add(name, port=1, user="nobody", password="not asked for")
        self.settings: Settings = self.project.settings()
        self.client = fleet.connect(self.settings.redis)
        self.client.flushdb()
        self.now = datetime.now(UTC)
        for name in (GOOD, BAD):
            self.back_up(name)

    def back_up(self, shard: str) -> None:
        newest = metrics.NewestBackup(number=1, position="0-1-7", finished_at=self.now, bytes=1, stored_bytes=1)
        metrics.set_newest(self.client, shard, newest)
        metrics.succeed(self.client, shard)

    def fail(self) -> None:
        message, hint = f"{BAD}: the primary has purged what is needed", "raise binlog_expire_logs_seconds"
        metrics.fail(self.client, BAD, Failure(message=message, hint=hint), run="r7", step="catchup")

    def check(self, **later: float) -> alerts.Outcome:
        self.now += timedelta(**later)
        return alerts.check(self.settings, self.client, self.now)


@pytest.fixture
def scene(tmp_path: Path, server: RedisServer) -> Iterator[Scene]:
    with Receiver() as receiver:
        made = Scene(tmp_path, server, receiver)
        yield made
        made.client.close()


def test_a_failure_and_its_recovery_are_told_once_each(scene: Scene) -> None:
    assert scene.check().told == ()
    scene.fail()
    scene.check(minutes=1)
    scene.check(minutes=1)
    scene.back_up(BAD)
    scene.check(minutes=1)
    scene.check(minutes=1)

    assert scene.receiver.texts == [
        f"{BAD}: catchup failed: the primary has purged what is needed",
        f"{BAD} has recovered (was: catchup failed: the primary has purged what is needed)",
    ]
    assert scene.receiver.paths == [PATH] * 2
    (event,) = scene.receiver.bodies[0]["events"]
    assert (event["event"], event["shard"], event["run"]) == ("problem", BAD, "r7")
    assert event["hint"] == "raise binlog_expire_logs_seconds"
    assert incidents.known(scene.client) == {}


def test_an_age_over_the_limit_is_told_for_all_shards_in_one_message_and_repeated_later(scene: Scene) -> None:
    scene.check(hours=25)
    scene.check(hours=1)
    scene.check(hours=12)

    assert [len(body["events"]) for body in scene.receiver.bodies] == [2, 2]
    assert scene.receiver.texts[0] == f"{GOOD}: newest backup 1 d 1 h old, limit 1 d"
    assert scene.receiver.texts[2].startswith(f"{GOOD} still: newest backup ")


@pytest.mark.parametrize(
    ("answer", "said"),
    [(500, "answered 500"), (404, "answered 404"), (302, "somewhere else"), ("hang", "no answer in time")],
)
def test_what_cannot_be_delivered_is_tried_again_later_and_shows_no_secret(
    scene: Scene, answer: int | str, said: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", (5.0, 0.3))
    caplog.set_level(logging.DEBUG)
    scene.receiver.answer = answer
    scene.fail()

    failed = scene.check()
    assert said in failed.error
    assert scene.check(seconds=20).waiting.startswith("the last delivery failed")
    assert said in scene.check(seconds=11).error
    assert scene.check(seconds=59).waiting
    scene.receiver.answer = 200
    assert len(scene.check(seconds=2).told) == 1

    told = incidents.delivery(scene.client)
    assert told is not None
    assert (told.error, told.failures) == ("", 0)
    assert scene.receiver.paths == [PATH] * 3, "a redirect is not followed"
    assert SECRET not in caplog.text + failed.error
    assert not any(SECRET in str(scene.client.dump(key)) for key in scene.client.scan_iter())


def test_a_recovery_that_could_not_be_told_is_told_later(scene: Scene) -> None:
    scene.fail()
    scene.check()
    scene.back_up(BAD)
    scene.receiver.answer = 503
    assert scene.check(minutes=1).error
    scene.receiver.answer = 200

    assert [event.event for event in scene.check(minutes=1).told] == ["recovered"]


def test_two_checks_at_once_tell_once(scene: Scene) -> None:
    scene.fail()
    assert incidents.lock(scene.client, "another", 60)

    assert scene.check().waiting == "another check is under way"
    incidents.unlock(scene.client, "me")
    assert scene.check().waiting
    incidents.unlock(scene.client, "another")
    assert len(scene.check().told) == 1


def test_nobody_there_is_an_error_without_the_address(scene: Scene) -> None:
    hook = alerts.Webhook("http://127.0.0.1:1/s3cret-token")

    with pytest.raises(AlertError, match=r"127\.0\.0\.1:1 cannot be reached \(no connection\)") as caught:
        alerts.send_test(hook)
    assert "s3cret" not in f"{caught.value!r}{hook!r}{caught.value.__cause__}"


def test_the_command_sends_a_test_and_shows_what_was_told(scene: Scene) -> None:
    scene.project.set("alert", webhook_format="slack")
    sent = scene.project.json("notify", "--test")
    assert sent == {"host": scene.receiver.address.removeprefix("http://"), "format": "slack", "status": 200}
    assert scene.receiver.bodies == [{"text": "🔵 This is a test message of Tidemark. Nothing is wrong."}]

    scene.fail()
    shown = scene.project.json("notify", "--now")
    assert [event["shard"] for event in shown["told_now"]] == [BAD]
    assert list(shown["incidents"]) == [BAD]
    text = scene.project.tidemark("notify")
    assert "catchup failed" in text.stdout
    assert SECRET not in text.stdout + text.stderr

    scene.receiver.answer = 410
    failed = scene.project.tidemark("notify", "--test")
    assert failed.returncode == 1
    assert "answered 410" in failed.stderr
    assert "HINT" in failed.stderr


def test_a_file_that_others_may_read_or_that_holds_no_address_is_refused(scene: Scene) -> None:
    scene.file.chmod(0o644)
    with pytest.raises(ConfigError, match="has mode 0644"):
        alerts.Webhook.of(scene.settings.alert)
    assert scene.check().error, "the check goes on, and says so"

    scene.file.chmod(0o600)
    scene.file.write_text("s3cret-token-and-no-address")
    with pytest.raises(ConfigError, match="is no address") as caught:
        alerts.Webhook.of(scene.settings.alert)
    assert "s3cret" not in str(caught.value)
    checked = scene.project.tidemark("config", "check")
    assert "webhook_url_file: what it holds is no address" in checked.stdout
