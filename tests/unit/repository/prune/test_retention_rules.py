"""The plan, rule by rule, and what holds of every plan: nothing that is asked for goes, whatever the clocks say."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.repository.prune.test_retention import NOW, backup
from tidemark.repository import Backup, PrunePlan, RetentionPolicy, plan_prune

pytestmark = pytest.mark.unit

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(*times: datetime, proves: dict[int, int] | None = None) -> list[Backup]:
    """Backups that finished at these times, in the order of their numbers from 1."""
    return [backup(i + 1, NOW - time, restored_from=(proves or {}).get(i + 1)) for i, time in enumerate(times)]


def kept(backups: list[Backup], *, now: datetime = NOW, **rules: Any) -> list[int]:
    plan = plan_prune(backups, now, RetentionPolicy(**rules))
    return numbers(plan)


def numbers(plan: PrunePlan) -> list[int]:
    return [verdict.number for verdict in plan.keep]


def every(step: timedelta, count: int) -> list[Backup]:
    """The newest is as old as now."""
    return at(*(NOW - step * (count - 1 - i) for i in range(count)))


def test_the_last_backup_of_each_day_is_kept() -> None:
    # Two a day, at 10:00 and 22:00; number 40 is today's last.
    assert kept(every(12 * HOUR, 40), keep_daily=5) == [32, 34, 36, 38, 40]


def test_days_without_a_backup_take_no_place() -> None:
    backups = at(*(NOW - n * DAY for n in (90, 60, 59, 3, 0)))

    assert kept(backups, keep_daily=4) == [2, 3, 4, 5]


def test_hours_weeks_months_and_years_are_those_of_the_calendar() -> None:
    backups = every(30 * timedelta(minutes=1), 100)
    assert kept(backups, keep_hourly=3) == [97, 99, 100]  # 20:30, 21:30, and the hour that has begun

    daily = every(DAY, 800)
    weekly, monthly = kept(daily, keep_weekly=4), kept(daily, keep_monthly=4)
    yearly = kept(daily, keep_yearly=4)
    dates = {one.number: one.finished_at for one in daily}
    assert [f"{dates[n]:%m-%d %a}" for n in weekly] == ["11-08 Sun", "11-15 Sun", "11-22 Sun", "11-23 Mon"]
    assert [f"{dates[n]:%m-%d}" for n in monthly] == ["08-31", "09-30", "10-31", "11-23"]
    assert [f"{dates[n]:%Y-%m-%d}" for n in yearly] == ["2024-12-31", "2025-12-31", "2026-11-23"]


def test_the_calendar_is_that_of_utc() -> None:
    tokyo = timezone(9 * HOUR)
    first = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    backups = at(first.astimezone(tokyo), (first + HOUR).astimezone(tokyo), NOW)  # one day in Tokyo, two in UTC

    assert kept(backups, keep_daily=2) == [1, 3]


def test_the_plan_says_which_rules_keep_a_backup() -> None:
    backups = every(DAY, 10)
    backups[8] = dataclasses.replace(backups[8], restored_from=8)

    plan = plan_prune(backups, NOW, RetentionPolicy(keep_last=1, keep_daily=2, keep_weekly=2, keep_within=HOUR))

    reasons = {verdict.number: verdict.reason for verdict in plan.keep}
    assert reasons == {
        8: "the newest that a later run has fetched and started",
        9: "proves 8, keep_daily (2026-11-22), keep_weekly (2026-W47)",
        10: "the newest, keep_last, keep_within, keep_daily (2026-11-23), keep_weekly (2026-W48)",
    }
    assert plan.keep[0].rules == ("proven",)
    assert {verdict.reason for verdict in plan.delete} == {"no rule asks for it"}


def test_a_run_on_a_kept_folder_proves_nothing() -> None:
    backups = every(DAY, 10)
    backups[4] = dataclasses.replace(backups[4], restored_from=4)
    backups[8] = dataclasses.replace(backups[8], restored_from=8, kept=8)

    plan = plan_prune(backups, NOW, RetentionPolicy(keep_last=1))

    assert {verdict.number: verdict.rules[0] for verdict in plan.keep} == {4: "proven", 5: "proof", 10: "newest"}


def test_a_pause_does_not_take_the_history() -> None:
    backups = at(*(NOW - 300 * DAY + n * DAY for n in range(5)))

    assert kept(backups, keep_within=10 * DAY) == [1, 2, 3, 4, 5]


def test_one_backup_from_the_future_takes_nobodys_place() -> None:
    backups = every(DAY, 10)
    backups[4] = dataclasses.replace(backups[4], finished_at=NOW + 900 * DAY)

    assert set(kept(backups, keep_daily=3)) >= {8, 9, 10}
    assert set(kept(backups, keep_within=3 * DAY)) >= {8, 9, 10}


def test_a_newest_backup_from_the_future_takes_nobodys_place() -> None:
    backups = every(DAY, 10)
    backups[9] = dataclasses.replace(backups[9], finished_at=NOW + 900 * DAY)

    assert set(kept(backups, keep_daily=3)) >= {8, 9, 10}
    assert set(kept(backups, keep_within=2 * DAY + HOUR)) >= {8, 9, 10}


rules: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "keep_last": st.integers(1, 5),
        "keep_within": st.integers(0, 400).map(lambda hours: hours * HOUR),
        **{f"keep_{name}": st.integers(0, 4) for name in ("hourly", "daily", "weekly", "monthly", "yearly")},
    }
)
policies = rules.map(lambda given: RetentionPolicy(**given))


@st.composite
def histories(draw: st.DrawFn, rising: bool = False) -> list[Backup]:
    """Backups with gaps from minutes to months, or with any times at all; some prove another one."""
    count = draw(st.integers(1, 25))
    if rising:
        gaps = draw(st.lists(st.integers(1, 3000), min_size=count, max_size=count))
        times = [NOW - sum(gaps[i + 1 :]) * HOUR for i in range(count)]
    else:
        times = [
            NOW + hours * HOUR for hours in draw(st.lists(st.integers(-9000, 2000), min_size=count, max_size=count))
        ]
    proves = {n: draw(st.integers(1, n - 1)) for n in range(2, count + 1) if draw(st.booleans())}
    return at(*times, proves=proves)


nows = st.integers(-20_000, 20_000).map(lambda hours: NOW + hours * HOUR)


@given(histories(), nows, policies)
def test_every_backup_has_one_verdict_and_what_counts_is_kept(
    backups: list[Backup], now: datetime, policy: RetentionPolicy
) -> None:
    plan = plan_prune(backups, now, policy)

    keep, delete = numbers(plan), [verdict.number for verdict in plan.delete]
    assert sorted(keep + delete) == [one.number for one in backups]
    assert keep == sorted(keep)
    assert set(keep) >= {one.number for one in backups[-policy.keep_last :]}
    proven = [one.restored_from for one in backups if one.restored_from is not None]
    assert not proven or max(proven) in keep
    assert all(verdict.rules and verdict.reason for verdict in plan.keep)


@given(histories(), nows, rules, rules)
def test_who_asks_for_more_keeps_more(
    backups: list[Backup], now: datetime, one: dict[str, Any], two: dict[str, Any]
) -> None:
    more = {name: max(one[name], two[name]) for name in one}

    assert set(kept(backups, now=now, **one)) <= set(kept(backups, now=now, **more))


@given(histories(rising=True), policies, st.integers(0, 200_000).map(lambda hours: hours * HOUR))
def test_the_clock_of_who_prunes_changes_nothing(
    backups: list[Backup], policy: RetentionPolicy, off: timedelta
) -> None:
    right = set(numbers(plan_prune(backups, NOW, policy)))

    assert set(numbers(plan_prune(backups, NOW + off, policy))) == right
    assert set(numbers(plan_prune(backups, NOW - off, policy))) >= right


@given(histories(rising=True), policies, st.sampled_from([-1, 1]), st.data())
def test_clocks_that_were_wrong_take_no_backup_whose_clock_was_right(
    backups: list[Backup], policy: RetentionPolicy, direction: int, data: st.DataObject
) -> None:
    """Some nodes' clocks were ahead, or behind, by so much that the order of the times shows it; the newest backup's is
    right. (An error that the order does not show cannot be told from the truth.)"""
    wrong = st.one_of(st.just(0), st.integers(80_000, 200_000))
    offs = data.draw(st.lists(wrong, min_size=len(backups) - 1, max_size=len(backups) - 1))
    seen = [
        dataclasses.replace(one, finished_at=one.finished_at + direction * off * HOUR)
        for one, off in zip(backups, [*offs, 0], strict=True)
    ]
    right = {one.number for one, off in zip(backups, [*offs, 0], strict=True) if off == 0}

    asked_for = set(numbers(plan_prune(backups, NOW, policy)))

    assert asked_for & right <= set(numbers(plan_prune(seen, NOW, policy)))


@given(histories(rising=True), policies)
def test_pruning_again_takes_nothing_more(backups: list[Backup], policy: RetentionPolicy) -> None:
    first = plan_prune(backups, NOW, policy)
    left = [one for one in backups if one.number in numbers(first)]

    assert plan_prune(left, NOW, policy).delete == ()
