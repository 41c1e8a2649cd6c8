"""Errors of the Google Cloud Storage SDK become errors of a store here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tidemark.errors import AccessDenied, ObjectMissing, StorageError, StorageUnavailable

_ONLY_THE_BUCKET = frozenset({"storage.objects.list", "storage.objects.create"})
"""What needs no object to be there: when something is missing all the same, it is the bucket."""


@contextmanager
def translated(url: str, what: str, right: str) -> Iterator[None]:
    """``what`` is the object's name or a description of the place; ``right`` the IAM permission that it takes."""
    from google.api_core import exceptions as sdk
    from google.auth import exceptions as auth
    from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except sdk.NotFound as error:
        if right in _ONLY_THE_BUCKET:
            raise StorageError(
                f"{url}: there is no such bucket", "make it, or mend the url; Tidemark makes no buckets"
            ) from error
        raise ObjectMissing(f"{url} has no {what}") from error
    except (sdk.Forbidden, sdk.Unauthorized) as error:
        raise AccessDenied(f"{url}: {what} is refused: {error.message}", f"allow this account {right} there") from error
    except auth.TransportError as error:
        raise StorageUnavailable(f"{url}: no answer when asking for credentials: {error}") from error
    except auth.GoogleAuthError as error:
        raise AccessDenied(
            f"{url}: there are no usable credentials: {error}",
            "the Google SDK looks for them in GOOGLE_APPLICATION_CREDENTIALS and the machine's service account",
        ) from error
    except DataCorruption as error:
        raise StorageError(
            f"{url}: {what} does not have the checksum that the store gives for it: {error}",
            "it was damaged at rest or on its way; tidemark verify tells which backups need it",
        ) from error
    except (sdk.TooManyRequests, sdk.ServerError, sdk.RetryError) as error:
        raise StorageUnavailable(f"{url} cannot serve {what} now: {error}") from error
    except sdk.GoogleAPICallError as error:
        raise StorageError(f"{url}: {what} failed: {error.message}") from error
    except (InvalidResponse, RequestException, HTTPError, OSError) as error:
        raise StorageUnavailable(
            f"{url}: no usable answer for {what}: {error}", "see whether the service can be reached from here"
        ) from error
