"""bucket.py NAME: makes the bucket that the repository is in, unless it is there; waits for the store to answer."""

from __future__ import annotations

import os
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError

DEADLINE = 120.0
"""Seconds."""


def main() -> None:
    """Returns once the bucket is there."""
    store = boto3.client("s3", endpoint_url=os.environ["ENDPOINT_URL"], region_name="us-east-1")
    until = time.monotonic() + DEADLINE
    while True:
        try:
            names = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
            if sys.argv[1] not in names:
                store.create_bucket(Bucket=sys.argv[1])
            return
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > until:
                raise SystemExit(f"the store does not answer: {error}") from None
            time.sleep(1)


if __name__ == "__main__":
    main()
