"""Errors of the S3 SDK become errors of a store here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tidemark.errors import AccessDenied, ObjectMissing, StorageError, StorageFull, StorageUnavailable

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_DENIED = frozenset(
    {
        "AccessDenied",
        "AllAccessDisabled",
        "AccountProblem",
        "403",
        "Forbidden",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "ExpiredToken",
        "InvalidToken",
        "AuthorizationHeaderMalformed",
        "KMS.DisabledException",
        "KMS.NotFoundException",
    }
)
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"})
_BUSY = frozenset(
    {
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "OperationAborted",
        "ConditionalRequestConflict",
        "BadDigest",
        "IncompleteBody",
        "XAmzContentChecksumMismatch",
    }
)


def code_of(error: Exception) -> str:
    """The service's code of an error that it answered, else nothing."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@contextmanager
def translated(url: str, what: str, right: str) -> Iterator[None]:
    """``what`` is the object's name or a description of the place; ``right`` the IAM action that it takes."""
    from botocore import exceptions as sdk
    from urllib3.exceptions import HTTPError

    try:
        yield
    except sdk.ClientError as error:
        raise _answered(error, url, what, right) from error
    except sdk.FlexibleChecksumError as error:
        raise StorageError(
            f"{url}: {what} does not have the checksum that the store gives for it: {error}",
            "it was damaged at rest or on its way; tidemark verify tells which backups need it",
        ) from error
    except (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.CredentialRetrievalError) as error:
        raise AccessDenied(
            f"{url}: there are no credentials: {error}",
            "the AWS SDK looks for them in the environment, ~/.aws and the machine's role",
        ) from error
    except (sdk.ProfileNotFound, sdk.NoRegionError, sdk.ParamValidationError) as error:
        raise StorageError(f"{url} cannot be used: {error}", "see docs/stores.md") from error
    except (sdk.BotoCoreError, HTTPError, OSError) as error:
        # What is left are broken, stalled and refused connections and answers that end too early.
        raise StorageUnavailable(
            f"{url}: no usable answer for {what}: {error}", "see whether the endpoint can be reached from here"
        ) from error


def _answered(error: Exception, url: str, what: str, right: str) -> StorageError:
    response = getattr(error, "response", {})
    code, status = code_of(error), int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = response.get("Error", {}).get("Message") or code
    if code == "NoSuchBucket":
        return StorageError(f"{url}: there is no such bucket", "make it, or mend the url; Tidemark makes no buckets")
    if code in _MISSING:
        return ObjectMissing(f"{url} has no {what}")
    if code in _FULL or status == 507:
        return StorageFull(f"{url}: no room for {what}: {said}")
    if code in _BUSY or status in {429, 500, 502, 503, 504}:
        return StorageUnavailable(f"{url} cannot serve {what} now: {code}: {said}")
    if code == "RequestTimeTooSkewed":
        hint = "this machine's clock is wrong: set it (NTP); a store takes no request whose time is minutes off"
        return AccessDenied(f"{url}: {what} is refused: {code}: {said}", hint)
    if code in _DENIED or status in {401, 403}:
        return AccessDenied(f"{url}: {what} is refused: {code}: {said}", f"allow this account {right} there")
    return StorageError(f"{url}: {what} failed: {code}: {said}")
