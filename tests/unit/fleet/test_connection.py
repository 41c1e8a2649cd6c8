"""The way to Redis: urls and patience, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemark import fleet
from tidemark.config import RedisSettings
from tidemark.errors import ConfigError, RedisUnavailable

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache:6379/0", "redis://:p%40ss@cache:6379/0"),
        ("rediss://fleet@cache:6380/3", "rediss://fleet:p%40ss@cache:6380/3"),
        ("redis://fleet@[::1]:6379/0", "redis://fleet:p%40ss@[::1]:6379/0"),
    ],
)
def test_the_brokers_url_has_the_password_in_it(tmp_path: Path, url: str, expected: str) -> None:
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("p@ss\n")

    assert fleet.broker_url(RedisSettings(url=url, password_file=file)) == expected


def test_without_a_password_file_the_url_is_the_configured_one() -> None:
    assert fleet.broker_url(RedisSettings(url="redis://cache:6379/0")) == "redis://cache:6379/0"


def test_a_missing_password_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="password_file"):
        fleet.connect(RedisSettings(url="redis://cache:6379/0", password_file=tmp_path / "missing"))


def test_what_must_get_through_is_tried_until_redis_answers() -> None:
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise RedisUnavailable("away")
        return "through"

    assert fleet.persist(call, seconds=10) == "through"
    assert len(calls) == 3


def test_but_not_for_ever() -> None:
    def call() -> None:
        raise RedisUnavailable("away")

    with pytest.raises(RedisUnavailable, match="away"):
        fleet.persist(call, seconds=0.1)


def test_other_errors_are_not_waited_for() -> None:
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        raise ConfigError("wrong")

    with pytest.raises(ConfigError):
        fleet.persist(call, seconds=10)
    assert len(calls) == 1
