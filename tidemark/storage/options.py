"""How a store in a cloud is reached and what it is asked to do with objects: plain values, no credentials."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """What an address does not say. Credentials are found by the vendor's own SDK and never pass through here."""

    endpoint_url: str | None = None
    """Where the service answers, ``http(s)://host[:port]``; without it, the vendor's own."""
    region: str | None = None
    """S3: the bucket's region; without it, what the SDK's chain says."""
    profile: str | None = None
    """S3: a profile of ``~/.aws``; without it, what the SDK's chain says."""
    storage_class: str | None = None
    """The storage class of new objects, by the vendor's name; without it, the bucket's default."""
    server_side_encryption: str | None = None
    """S3: ``AES256`` or ``aws:kms``; without it, the bucket's default."""
    server_side_kms_key: str | None = None
    """The vendor's KMS key for encryption at rest, by its ARN or resource name."""

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the options that are set."""
        return tuple(name for name in self.__dataclass_fields__ if getattr(self, name) is not None)
