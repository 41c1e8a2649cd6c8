"""What the integration tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from sandbox.redis import RedisServer
from tests.support.needs import need_program
from tidemark import fleet
from tidemark.config import RedisSettings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the module's own."""
    need_program("redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """A client of it; there is nothing in it yet."""
    with fleet.connect(RedisSettings(url=server.url)) as made:
        made.flushdb()
        yield made
