"""Posting to a webhook. Its address is a secret: no error, log line or repr shows more of it than the host."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import requests

from tidemark import __version__, files
from tidemark.alerts.plan import Event
from tidemark.config import AlertSettings
from tidemark.errors import AlertError, ConfigError

TIMEOUT = (5.0, 10.0)
"""Seconds to connect, and between two bytes of the answer."""
LINES = 25
"""Events that a chat message lists; it says how many more there are."""

_MARKS = {"problem": "🔴", "worse": "🔴", "still": "🟠", "recovered": "🟢", "test": "🔵"}

# At level DEBUG the library would write every address into the log.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class Webhook:
    """Where to post, and how."""

    def __init__(self, url: str, format: Literal["json", "slack"] = "json") -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                "[alert] webhook_url_file: what it holds is no address",
                'the file holds one line that starts with "https://"',
            )
        self._url, self._format = url, format
        self.host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname

    @classmethod
    def of(cls, settings: AlertSettings) -> Webhook | None:
        """That of the configuration, or None. Raises ``ConfigError`` when its file cannot be used."""
        if settings.webhook_url_file is None:
            return None
        url = files.read_secret(settings.webhook_url_file, "[alert] webhook_url_file").strip()
        return cls(url, settings.webhook_format)

    def __repr__(self) -> str:
        return f"Webhook({self.host}, {self._format})"

    def post(self, events: Sequence[Event]) -> int:
        """Posts all events as one message and gives the HTTP status. Raises ``AlertError`` unless that is 2xx. Follows
        no redirect: what we tell goes where the operator said, and nowhere else."""
        body = slack(events) if self._format == "slack" else as_json(events)
        try:
            with requests.post(
                self._url,
                json=body,
                headers={"User-Agent": f"tidemark/{__version__}"},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,  # nobody reads the answer's body, however long it is
            ) as answer:
                status = answer.status_code
        except requests.RequestException as error:
            # The library's own text holds the address.
            raise AlertError(f"the webhook at {self.host} cannot be reached ({_reason(error)})") from None
        if 300 <= status < 400:
            raise AlertError(
                f"the webhook at {self.host} answered {status}: it wants to send us somewhere else",
                "put the final address into [alert] webhook_url_file",
            )
        if not 200 <= status < 300:
            raise AlertError(
                f"the webhook at {self.host} answered {status}", "look at the receiver; is the address still valid?"
            )
        return status


def as_json(events: Sequence[Event]) -> dict[str, Any]:
    """Tidemark's own format; docs/operations.md describes it."""
    return {
        "source": "tidemark",
        "version": __version__,
        "host": socket.gethostname(),
        "sent_at": datetime.now(UTC).isoformat(),
        "events": [event.model_dump(mode="json") | {"text": event.text} for event in events],
    }


def slack(events: Sequence[Event]) -> dict[str, Any]:
    """One message, a line an event, as Slack and Mattermost take it."""
    lines = [f"{_MARKS[event.event]} {_escape(event.text)}" for event in events[:LINES]]
    if len(events) == 1 and events[0].hint:
        lines.append(f"HINT: {_escape(events[0].hint)}")
    if len(events) > LINES:
        lines.append(f"... and {len(events) - LINES} more; `tidemark status` lists them")
    return {"text": "\n".join(lines)}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _reason(error: requests.RequestException) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not accepted"
        case requests.Timeout():
            return "no answer in time"
        case requests.ConnectionError():
            return "no connection"
    return type(error).__name__
