"""The pages stand beside Flower's own, and its menu leads to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flower import urls

from tidemark.web import handlers, menu, plugin
from tidemark.web.menu import Templates

pytestmark = pytest.mark.unit

THEIRS = Path(urls.settings["template_path"])


@pytest.fixture
def flower() -> Iterator[None]:
    """Flower's module as it was, afterwards."""
    before, settings = list(urls.handlers), dict(urls.settings)
    yield
    urls.handlers[:] = before
    urls.settings.clear()
    urls.settings.update(settings)


def test_the_menu_of_this_flower_gets_one_entry_after_its_own() -> None:
    theirs = (THEIRS / "navbar.html").read_text()
    ours = menu.with_entry(theirs)

    links = re.findall(r"reverse_url\('(\w+)'\)", ours)
    assert links[: links.index("shards")] == ["main", "workers", "tasks", "broker"]
    assert ours.count("<li") == theirs.count("<li") + 1
    assert ours.count("</ul>") == theirs.count("</ul>")


def test_a_menu_that_is_made_in_another_way_stays_as_it_is() -> None:
    assert menu.with_entry("<menu></menu>") == "<menu></menu>"


def test_every_template_of_ours_and_of_flower_can_be_read() -> None:
    loader = Templates(THEIRS)

    for folder in (THEIRS, menu.OURS):
        for file in folder.iterdir():
            assert loader.load(file.name).name == file.name


@pytest.mark.usefixtures("flower")
def test_the_pages_go_before_flowers_last_handler_once() -> None:
    before = len(urls.handlers)
    plugin.install()
    plugin.install()

    assert len(urls.handlers) == before + len(handlers.routes())
    assert isinstance(urls.settings["template_loader"], Templates)
    assert urls.handlers[-1][0] == ".*"


@pytest.mark.parametrize("name", ["api/v1", "assets/x", "api/shards", "keyspace/-80", "a/run"])
def test_a_keyspace_may_have_any_name(name: str) -> None:
    first = next(route for route in handlers.routes() if route.regex.match(f"/shards/{name}"))

    assert first.name == "shard"
