"""Flower's login: nobody sees anything without one. Flower itself compares passwords in the clear, and asks for none
unless it is told to; this checks them against the hashes of ``[flower] users_file``."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
from typing import Any

from flower.views import BaseHandler, monitor
from tornado import web

from tidemark.config import FlowerSettings
from tidemark.errors import ConfigError
from tidemark.web.users import Users

log = logging.getLogger(__name__)


class Gate:
    """Says who a request is from. Reads the file again when it has changed, so that a login which was taken away ends
    at once; remembers (as a keyed digest) what was right, because bcrypt is slow on purpose and pages ask often."""

    def __init__(self, users: Users) -> None:
        self._users = users
        self._stamp = _stamp(users)
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, str] = {}

    def who(self, authorization: str) -> str | None:
        """The name that an ``Authorization`` header proves, or None."""
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        self._refresh()
        mark = hmac.digest(self._key, f"{name}:{password}".encode(), hashlib.sha256)
        if mark in self._right:
            return self._right[mark]
        if not colon or not self._users.check(name, password):
            log.warning("a login as %.64r failed", name)
            return None
        self._right[mark] = name
        return name

    def _refresh(self) -> None:
        stamp = _stamp(self._users)
        if stamp == self._stamp:
            return
        self._right.clear()
        try:
            self._users, self._stamp = Users.read(self._users.path), stamp
        except ConfigError as error:
            log.error("nobody may log in: %s", error)
            self._users = Users(self._users.path, {})


def _stamp(users: Users) -> tuple[int, ...] | None:
    try:
        seen = users.path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode


def install(settings: FlowerSettings) -> list[str]:
    """Puts the gate in front of all of Flower, and gives what its option ``basic_auth`` is to be set to. Raises
    ``ConfigError`` when nobody could log in: a page that cancels backups is not shown to everybody by mistake."""
    if settings.users_file is None:
        raise ConfigError(
            "Flower shows and changes everything in the fleet, and nobody is configured to log in",
            'add [flower] users_file = "/etc/tidemark/users" to the configuration, then: tidemark users add NAME',
        )
    users = Users.read(settings.users_file)
    if not users.hashes:
        raise ConfigError(f"[flower] users_file: {users.path} names nobody", "tidemark users add NAME")
    gate = Gate(users)

    def get_current_user(handler: Any) -> str:
        name = gate.who(handler.request.headers.get("Authorization", ""))
        if name is None:
            raise web.HTTPError(401)
        return name

    BaseHandler.get_current_user = get_current_user
    if not settings.public_metrics:
        monitor.Metrics.get = web.authenticated(monitor.Metrics.get)
    # Flower protects its interface and refuses other sites' requests only while basic_auth is set. Nobody knows this
    # one, and nothing compares it.
    return [f"nobody:{secrets.token_urlsafe(32)}"]
