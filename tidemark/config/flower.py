"""``[flower]``: the page that people look at, and who may."""

from __future__ import annotations

import re

from pydantic import Field, field_validator, model_validator

from tidemark.config.types import ConfigPath, Section


class FlowerSettings(Section):
    """Flower, as ``celery -A tasks flower`` starts it. What its command line says goes before what stands here."""

    users_file: ConfigPath | None = None
    """Who may log in: a file of mode 0600 with a line ``name:bcrypt hash`` per person, as ``tidemark users add`` and
    ``htpasswd -B`` write it. Without one Flower does not start, unless it is given a login of its own (``--auth``)."""
    address: str = Field("127.0.0.1", min_length=1)
    """The address that Flower listens at. Passwords travel with every request: give ``tls_cert`` and ``tls_key``, or
    put a proxy with TLS in front, before this is anything but loopback."""
    port: int = Field(5555, ge=1, le=65535)
    """The port that it listens at."""
    url_prefix: str = ""
    """The path below which a proxy shows it, e.g. ``tidemark``."""
    read_only: bool = False
    """Whether Flower refuses everything that changes something, from everybody."""
    public_metrics: bool = False
    """Whether ``/metrics`` answers without a login; it names workers and tasks."""
    tls_cert: ConfigPath | None = None
    """The certificate of Flower's own TLS, a PEM file."""
    tls_key: ConfigPath | None = None
    """The certificate's private key, a PEM file."""

    @field_validator("url_prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        prefix = prefix.strip("/")
        if not re.fullmatch(r"(?:[A-Za-z0-9_.~-]+(?:/[A-Za-z0-9_.~-]+)*)?", prefix):
            raise ValueError('url_prefix is a path of letters, digits, "_", "-", "." and "~", such as "tidemark"')
        return prefix

    @model_validator(mode="after")
    def _check(self) -> FlowerSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are given together or not at all")
        return self
