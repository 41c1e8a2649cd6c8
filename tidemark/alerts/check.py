"""One look at all shards: what is new is told, and what was told is remembered. At least once, never in a loop."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidemark.alerts.plan import Event, Findings, Habits, plan
from tidemark.alerts.webhook import Webhook
from tidemark.config import Settings
from tidemark.errors import TidemarkError
from tidemark.fleet import Client, health, incidents, metrics
from tidemark.fleet.health import Thresholds
from tidemark.fleet.incidents import Delivery, Incident
from tidemark.shards import topology

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
"""How long after a delivery that failed it is tried again: doubled each time, up to the latter."""
LOCKED = 120
"""Seconds that one check may take before another one may begin."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check did."""

    told: tuple[Event, ...] = ()
    """What was delivered."""
    error: str = ""
    """Why it could not be delivered; it is tried again."""
    waiting: str = ""
    """Why nothing was tried."""


def check(settings: Settings, client: Client, now: datetime | None = None) -> Outcome:
    """Tells what is to be told. A delivery that fails is no error: what was not told is told by a later check. Raises
    ``RedisUnavailable``."""
    try:
        webhook = Webhook.of(settings.alert)
    except TidemarkError as error:
        log.error("nobody can be told: %s", error)
        return Outcome(error=error.message)
    if webhook is None:
        return Outcome(waiting="no webhook is configured")
    owner = secrets.token_hex(8)
    if not incidents.lock(client, owner, LOCKED):
        return Outcome(waiting="another check is under way")
    try:
        return _tell(settings, client, webhook, now or datetime.now(UTC))
    finally:
        incidents.unlock(client, owner)


def send_test(webhook: Webhook) -> int:
    """Posts a message that says it is a test; gives the HTTP status. Raises ``AlertError``."""
    return webhook.post([Event(event="test", shard="", since=datetime.now(UTC))])


def _tell(settings: Settings, client: Client, webhook: Webhook, now: datetime) -> Outcome:
    before = incidents.delivery(client)
    if before and before.next_try and now < before.next_try:
        return Outcome(waiting=f"the last delivery failed; trying again at {before.next_try:%H:%M:%S} UTC")
    events, told, quiet = _plan(settings, client, now)
    incidents.remember(client, quiet)
    if not events:
        return Outcome()
    try:
        webhook.post(events)
    except TidemarkError as error:
        failures = before.failures + 1 if before else 1
        pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        failed = Delivery(at=now, error=error.message, failures=failures, next_try=now + pause)
        incidents.note_delivery(client, failed)
        log.warning("%d messages wait: %s; trying again in %s", len(events), error.message, pause)
        return Outcome(error=error.message)
    incidents.note_delivery(client, Delivery(at=now))
    incidents.remember(client, told)
    for event in events:
        log.info("told: %s", event.text)
    return Outcome(told=tuple(events))


def _plan(
    settings: Settings, client: Client, now: datetime
) -> tuple[list[Event], dict[str, Incident | None], dict[str, Incident | None]]:
    """The events, what to remember once they are told, and what to remember anyway."""
    limits, known = Thresholds.of(settings), incidents.known(client)
    views = metrics.views(client, topology(settings).names())
    habits = Habits(repeat_every=settings.alert.repeat_every, patience=limits.max_age)
    events: list[Event] = []
    told: dict[str, Incident | None] = {}
    quiet: dict[str, Incident | None] = dict.fromkeys(known.keys() - {view.shard for view in views})
    for view in views:
        failed = view.last_error
        event, incident = plan(
            view.shard,
            known.get(view.shard),
            Findings(
                troubles=tuple(health.troubles(view, limits, now)),
                run=failed.run if failed else "",
                hint=failed.on_one_line().hint if failed else "",
            ),
            now,
            habits,
        )
        if event:
            events.append(event)
            told[view.shard] = incident
        elif incident != known.get(view.shard):
            quiet[view.shard] = incident
    return events, told, quiet
