"""The way to Redis, and what its errors mean to a person."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from tidemark import files
from tidemark.config import RedisSettings
from tidemark.errors import ConfigError, FleetError, RedisUnavailable

Client = redis.Redis
"""A connection, for those who hand it on and do not know Redis."""
Result = TypeVar("Result")


def connect(settings: RedisSettings, *, hurried: bool = False) -> redis.Redis:
    """A client that gives up within seconds; ``persist`` is for what must get through. ``hurried`` gives up sooner and
    tries nothing again: for those whom somebody waits for. It connects when it is first used, survives a fork, and may
    be shared by threads. Its ``repr`` shows no password."""
    return redis.Redis.from_url(
        settings.url,
        password=_password(settings),
        decode_responses=True,
        socket_connect_timeout=2 if hurried else 5,
        socket_timeout=4 if hurried else 10,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=1, base=0.1), retries=0 if hurried else 3),
        **(tls_options(settings) or {}),
    )


def broker_url(settings: RedisSettings) -> str:
    """The url with the password in it, for Celery, which masks it wherever it shows it. Never print it yourself."""
    password = _password(settings)
    if password is None:
        return settings.url
    parts = urlsplit(settings.url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username or ''}:{quote(password, safe='')}@{host}").geturl()


def tls_options(settings: RedisSettings) -> dict[str, Any] | None:
    """How redis-py, and so Celery, is to encrypt; None without TLS. The certificate and its name are always checked.
    Raises ``ConfigError`` for a file that is not there: later on that would look as if Redis were away."""
    if urlsplit(settings.url).scheme != "rediss":
        return None
    options: dict[str, Any] = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    for name, path in (
        ("ssl_ca_certs", settings.tls_ca),
        ("ssl_certfile", settings.tls_cert),
        ("ssl_keyfile", settings.tls_key),
    ):
        if path is None:
            continue
        if not os.access(path, os.R_OK):
            raise ConfigError(f"[redis]: {path} is not there, or this account may not read it")
        options[name] = str(path)
    return options


def _password(settings: RedisSettings) -> str | None:
    if settings.password_file is None:
        return None
    return files.read_secret(settings.password_file, "[redis] password_file")


@contextlib.contextmanager
def translated(client: redis.Redis) -> Iterator[None]:
    """Turns the vendor's errors into ours."""
    try:
        yield
    except redis.AuthenticationError as error:
        if client.connection_pool.connection_kwargs.get("password") is None:
            raise RedisUnavailable(
                f"Redis at {_where(client)} asks for a password, and none is configured",
                "put it into a file of mode 0600 and name that as [redis] password_file",
            ) from error
        raise RedisUnavailable(
            f"Redis at {_where(client)} refuses us: {error}", "check [redis] password_file, and the user in url"
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        if "certificate" in str(error).lower():
            raise RedisUnavailable(
                f"the TLS of Redis at {_where(client)} does not hold: {error}",
                "check [redis] tls_ca, the name in url, and tls_cert if Redis asks its clients for one",
            ) from error
        raise RedisUnavailable(
            f"Redis at {_where(client)} does not answer: {error}", "is it running, and is [redis] url right?"
        ) from error
    except redis.RedisError as error:
        raise FleetError(f"Redis at {_where(client)} says: {error}") from error


def persist(call: Callable[[], Result], seconds: float = 60.0) -> Result:
    """Calls until Redis answers, for at most ``seconds``: for what a step must tell before it goes on. The call
    must be one that can be repeated."""
    deadline = time.monotonic() + seconds
    pause = 0.2
    while True:
        try:
            return call()
        except RedisUnavailable:
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause = min(pause * 2, 5.0)


def _where(client: redis.Redis) -> str:
    known = client.connection_pool.connection_kwargs
    return str(known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}")
