"""Chromium without a screen, as a person at a desk or with a phone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.needs import need_program

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing of its own over the network, and no need of a user account's sandbox."""


@dataclass
class Visitor:
    """A window of the browser that is logged in, and what it did besides showing pages."""

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    """Addresses that pages made it ask for."""
    complaints: list[str] = field(default_factory=list)
    """Errors of scripts, and what the content security policy has refused."""

    def go(self, path: str) -> Page:
        """Opens one of Flower's pages."""
        self.page.goto(self.url + path)
        return self.page

    @property
    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile of its own, for as long as the block lasts."""
    program = need_program("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=QUIET, timeout=60_000)
        yield started
        started.close()


@contextlib.contextmanager
def visit(
    browser: Browser,
    url: str,
    login: tuple[str, str],
    *,
    size: tuple[int, int] = (1280, 800),
) -> Iterator[Visitor]:
    """A window of this size, in light colours. At its end nothing was asked of another server, no script has failed."""
    context = browser.new_context(
        http_credentials={"username": login[0], "password": login[1]},
        viewport={"width": size[0], "height": size[1]},
        color_scheme="light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(30_000)
    visitor = Visitor(context.new_page(), url)
    visitor.page.on("request", lambda request: visitor.asked.append(request.url))
    visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    visitor.page.on(
        "console",
        lambda said: visitor.complaints.append(said.text) if "Content Security Policy" in said.text else None,
    )
    try:
        yield visitor
        assert not [address for address in visitor.asked if not address.startswith((url, "data:"))]
        assert not visitor.complaints
    finally:
        context.close()
