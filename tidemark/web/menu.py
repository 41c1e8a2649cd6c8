"""Flower's templates with ours beside them, and one more entry in Flower's menu."""

from __future__ import annotations

import logging
from pathlib import Path

from tornado.template import BaseLoader, Template

log = logging.getLogger(__name__)

OURS = Path(__file__).parent / "templates"
_MENU = "navbar.html"
_END_OF_MENU = "</ul>"
_ENTRY = """
        <li class="nav-item">
          <a class="nav-link{% if active_tab == 'shards' %} active{% end %}" href="{{ reverse_url('shards') }}"
            {% if active_tab == 'shards' %}aria-current="page"{% end %}>Shards</a>
        </li>
      """


class Templates(BaseLoader):
    """Ours by their names, all others from ``theirs``, Flower's folder. Ours may extend Flower's ``base.html``."""

    def __init__(self, theirs: Path) -> None:
        super().__init__()
        self._theirs = theirs

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Names are not relative to one another: neither folder has folders."""
        return name

    def _create_template(self, name: str) -> Template:
        ours = OURS / name
        if ours.exists():
            return Template(ours.read_bytes(), name=name, loader=self)
        text = (self._theirs / name).read_text(encoding="utf-8")
        return Template(with_entry(text) if name == _MENU else text, name=name, loader=self)


def with_entry(menu: str) -> str:
    """Flower's menu with an entry for the shards, at the end of its first list. A Flower that builds its menu in
    another way keeps it as it is: the pages are there all the same."""
    before, end, after = menu.partition(_END_OF_MENU)
    if not end:
        log.warning("this Flower's menu is not as expected: it has no entry for /shards")
        return menu
    return before.rstrip() + _ENTRY + end + after
