"""The pages and their small JSON interface, as Tornado handlers behind Flower's own login."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from flower.views import BaseHandler
from pydantic import BaseModel
from tornado import web
from tornado.web import RequestHandler, StaticFileHandler, url

from tidemark.errors import TidemarkError, UnknownShard
from tidemark.shards import topology
from tidemark.web import actions
from tidemark.web.actions import Done
from tidemark.web.reader import FleetReader

Result = TypeVar("Result")

ASSETS = Path(__file__).parent / "assets"
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, and nobody may put the buttons into a frame."""


def _version() -> str:
    files = sorted(path for path in ASSETS.iterdir() if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


VERSION = _version()
"""Stands in the addresses of scripts and styles, so that browsers may keep them for ever."""


def routes() -> list[url]:
    """The addresses below ``/shards``. ``api`` and ``assets`` have more parts than a shard's name has, so that a
    keyspace may have any name."""
    source = {"source": FleetReader()}
    shard = r"([^/]+/[^/]+)"
    return [
        url(r"/shards", FleetPage, name="shards"),
        url(r"/shards/", FleetPage),
        url(rf"/shards/{shard}", ShardPage, source, name="shard"),
        url(r"/shards/assets/[0-9a-f]+/(.+)", StaticFileHandler, {"path": str(ASSETS)}),
        url(r"/shards/api/v1/fleet", FleetFacts, source, name="shards-api"),
        url(r"/shards/api/v1/retry", FleetAction, source),
        url(rf"/shards/api/v1/shard/{shard}", ShardFacts, source),
        url(rf"/shards/api/v1/shard/{shard}/(run|cancel)", ShardAction, source),
    ]


class Handler(BaseHandler):  # type: ignore[misc]
    """What all of ours share."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    @property
    def may_not_act(self) -> str:
        """Why nobody may run or cancel anything here; empty when somebody may. Flower's own rule: not in read-only
        mode, and not without a login unless that was asked for."""
        options = self.application.options
        if options.read_only:
            return "Flower is in read-only mode"
        if not (options.basic_auth or options.auth or self.unauthenticated_api):
            return "Flower has no login, so anybody who reaches it may look and nobody may act"
        return ""


class Page(Handler):
    """HTML; the facts come by the JSON interface."""

    def show(self, template: str, **facts: Any) -> None:
        """Renders one of our templates."""
        self.set_header("Content-Security-Policy", _POLICY)
        root = self.reverse_url("shards")
        assets, token = f"{root}/assets/{VERSION}", self.xsrf_token.decode()
        self.render(template, root=root, assets=assets, token=token, may_not_act=self.may_not_act, **facts)


class FleetPage(Page):
    """All shards."""

    @web.authenticated
    async def get(self) -> None:
        self.show("shards.html")


class ShardPage(Page):
    """One shard."""

    def initialize(self, source: FleetReader) -> None:
        self._source = source

    @web.authenticated
    async def get(self, name: str) -> None:
        try:
            await _in_thread(lambda: topology(self._source.settings()).find(name))
        except UnknownShard as error:
            raise web.HTTPError(404, error.message) from error
        self.show("shard.html", shard=name)


class Api(Handler):
    """JSON; errors too: ``{"error": ..., "hint": ...}``."""

    def initialize(self, source: FleetReader) -> None:
        self._source = source

    def get_login_url(self) -> str:
        raise web.HTTPError(401)  # a program, or a page whose login is over: no redirect to a form

    async def answer(self, call: Callable[[], BaseModel]) -> None:
        """What ``call`` gives, or what is wrong."""
        try:
            value = await _in_thread(call)
        except TidemarkError as error:
            status = HTTPStatus.NOT_FOUND if isinstance(error, UnknownShard) else HTTPStatus.SERVICE_UNAVAILABLE
            self._refuse(status, error.message, error.hint)
            return
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.write(value.model_dump_json())

    def write_error(self, status_code: int, **facts: Any) -> None:
        """Also for what Tornado and Flower refuse."""
        self.set_header("Cache-Control", "no-store")
        if status_code == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        error = facts.get("exc_info", (None, None))[1]
        said = error.get_message() if isinstance(error, web.HTTPError) else ""
        self._refuse(status_code, said or HTTPStatus(status_code).phrase)

    def _refuse(self, status: int, message: str, hint: str = "") -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=UTF-8")
        self.finish(json.dumps({"error": message, "hint": hint}))


class FleetFacts(Api):
    """``GET /shards/api/v1/fleet[?since=MARK]``."""

    @web.authenticated
    async def get(self) -> None:
        mark = self.get_query_argument("since", "")
        await self.answer(lambda: self._source.fleet(mark))


class ShardFacts(Api):
    """``GET /shards/api/v1/shard/KEYSPACE/SHARD``."""

    @web.authenticated
    async def get(self, name: str) -> None:
        await self.answer(lambda: self._source.shard(name))


class Action(Api):
    """What changes something; refused in read-only mode and without a token."""

    def check_xsrf_cookie(self) -> None:
        """Flower trusts a browser's own word that a request comes from the same site; we want the token besides,
        whatever the login is."""
        super().check_xsrf_cookie()
        RequestHandler.check_xsrf_cookie(self)

    async def act(self, do: Callable[[], Done]) -> None:
        """Does it; the next look at the fleet sees what has become of it."""
        if reason := self.may_not_act:
            raise web.HTTPError(403, reason)
        try:
            await self.answer(do)
        finally:
            self._source.forget()


class ShardAction(Action):
    """``POST /shards/api/v1/shard/KEYSPACE/SHARD/run|cancel``."""

    @web.authenticated
    async def post(self, name: str, verb: str) -> None:
        options = {"force": self.get_body_argument("force", "") in {"1", "true"}} if verb == "run" else {}
        await self.act(lambda: actions.SHARD_ACTIONS[verb](name, **options))


class FleetAction(Action):
    """``POST /shards/api/v1/retry``."""

    @web.authenticated
    async def post(self) -> None:
        await self.act(actions.retry)


async def _in_thread(call: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(None, call)
