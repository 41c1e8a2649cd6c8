"""``[metrics]``: where Prometheus finds the fleet's figures."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from tidemark.config.types import Section


def split_address(text: str) -> tuple[str, int]:
    """``"127.0.0.1:9899"`` or ``"[::1]:9899"`` as a host and a port; ``ValueError`` when it is not such an address."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError('an address is given as "host:port", such as "127.0.0.1:9899" or "[::]:9899"')
    return host, int(port)


def _address(text: str) -> str:
    split_address(text)
    return text


class MetricsSettings(Section):
    """What `tidemark exporter` does."""

    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1:9899"
    """Where it answers Prometheus, ``host:port``. It asks nobody for a password and tells names of shards and nodes,
    and sizes: open it to your monitoring only."""
