"""What answers of S3 mean to a person."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tidemark.errors import AccessDenied
from tidemark.storage.s3_errors import translated

pytestmark = pytest.mark.unit


def test_a_clock_that_is_wrong_is_told_from_a_missing_right() -> None:
    answer = {
        "Error": {"Code": "RequestTimeTooSkewed", "Message": "The difference is too large."},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }

    with pytest.raises(AccessDenied, match="RequestTimeTooSkewed") as caught, translated("s3://b", "a", "s3:GetObject"):
        raise ClientError(answer, "GetObject")

    assert "clock" in caught.value.hint
