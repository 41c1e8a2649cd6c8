"""How the pages get into Flower: its table of handlers and its settings are changed before it reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flower import urls

from tidemark.web import handlers, menu


def install() -> None:
    """Adds the pages below ``/shards`` and their entry in the menu. To be called before Flower's application is made,
    which is when ``flowerconfig.py`` is read. A second call changes nothing."""
    theirs: list[Any] = urls.handlers
    if any(getattr(handler, "name", None) == "shards" for handler in theirs):
        return
    theirs[:0] = handlers.routes()  # in front: Flower's last one takes every address
    urls.settings["template_loader"] = menu.Templates(Path(urls.settings["template_path"]))
