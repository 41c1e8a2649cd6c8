"""A master key that never leaves AWS KMS: it wraps and unwraps there, and who may use it is said there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tidemark.errors import KeyUnavailable, StorageUnavailable
from tidemark.repository.keys.keys import Bound

_BUSY = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "LimitExceededException",
        "KMSInternalException",
        "DependencyTimeoutException",
        "KeyUnavailableException",
        "ServiceUnavailable",
        "InternalFailure",
    }
)
_NOT_OURS = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_NOT_USABLE = frozenset({"DisabledException", "KMSInvalidStateException", "InvalidKeyUsageException"})


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A symmetric key in AWS KMS. Every call is bound to the key object's other fields by its encryption context."""

    name: str
    """As configured: an ARN, an id or ``alias/...``."""
    service_key: str
    """The id that KMS gave the key; the same for all regions of a multi-region key."""
    arn: str
    """The ARN that calls name; an alias that is moved to another key moves nothing that was wrapped."""
    client: Any = field(repr=False, compare=False)

    @classmethod
    def load(cls, name: str) -> KmsKey:
        """Finds the key, with credentials, region and endpoint by the SDK's own chain (an ARN brings its region).

        ``KeyUnavailable`` when there is no such key, it cannot be used or we may not; ``StorageUnavailable`` when KMS
        does not answer.
        """
        import boto3  # here, because it takes a third of a second, and only those who use KMS should pay it
        from botocore.config import Config

        parts = name.split(":")
        region = parts[3] if name.startswith("arn:") and len(parts) > 5 else None
        config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
        with _translated(name, "kms:DescribeKey"):
            client = boto3.session.Session().client("kms", region_name=region, config=config)
            found = client.describe_key(KeyId=name)["KeyMetadata"]
        usage = (found.get("KeyUsage") or "ENCRYPT_DECRYPT", found.get("KeySpec") or "SYMMETRIC_DEFAULT")
        if usage != ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"):
            raise KeyUnavailable(
                f"the key {name} in AWS KMS is made for {usage[0]} with {usage[1]}",
                "a master key is a symmetric one: ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT",
            )
        if (state := found.get("KeyState") or "Enabled") != "Enabled":
            raise KeyUnavailable(
                f"the key {name} in AWS KMS cannot be used: it is {state}",
                "enable it, or cancel its deletion while there is time: without it no backup can be opened",
            )
        return cls(name, found["KeyId"], found["Arn"], client)

    @property
    def id(self) -> str:
        return hashlib.sha256(b"tidemark-1 aws-kms " + self.service_key.encode()).hexdigest()[:16]

    @property
    def algorithm(self) -> str:
        return "AWS-KMS"

    @property
    def nonce_bytes(self) -> int:
        return 0

    def wrap(self, secret: bytes, nonce: bytes, bound: Bound) -> bytes:
        with _translated(self.name, "kms:Encrypt"):
            answer = self.client.encrypt(KeyId=self.arn, Plaintext=secret, EncryptionContext=_context(bound))
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, nonce: bytes, bound: Bound) -> bytes:
        with _translated(self.name, "kms:Decrypt"):
            answer = self.client.decrypt(KeyId=self.arn, CiphertextBlob=wrapped, EncryptionContext=_context(bound))
        return bytes(answer["Plaintext"])


def _context(bound: Bound) -> dict[str, str]:
    return {name: str(value) for name, value in bound.items()}


@contextmanager
def _translated(name: str, right: str) -> Iterator[None]:
    """Turns the SDK's errors into ours, here and nowhere else."""
    from botocore import exceptions as sdk

    try:
        yield
    except sdk.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        said = error.response.get("Error", {}).get("Message", "") or code
        if code in _NOT_OURS:
            raise ValueError("KMS does not know what it is asked to unwrap") from None
        if code in _BUSY or status >= 500:
            raise StorageUnavailable(f"AWS KMS cannot serve the key {name} now: {code}: {said}") from error
        if code == "NotFoundException":
            raise KeyUnavailable(
                f"AWS KMS has no key {name}: {said}",
                "check the name, the region and the account; a key that was deleted there is lost, and with it every "
                "backup that no other key opens",
            ) from error
        if code in _NOT_USABLE:
            raise KeyUnavailable(
                f"the key {name} in AWS KMS cannot be used: {said}",
                "enable it, or cancel its deletion while there is time",
            ) from error
        raise KeyUnavailable(
            f"AWS KMS refuses the key {name}: {code}: {said}",
            f"allow this account {right} on it, or check the credentials",
        ) from error
    except (sdk.HTTPClientError, sdk.ConnectionError) as error:
        raise StorageUnavailable(f"AWS KMS does not answer for the key {name}: {error}") from error
    except sdk.BotoCoreError as error:
        raise KeyUnavailable(
            f"the key {name} in AWS KMS cannot be asked for: {error}",
            "the AWS SDK looks for credentials and the region in the environment, ~/.aws and the machine's role",
        ) from error
