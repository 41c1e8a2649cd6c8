"""A small server that speaks Google Cloud Storage's JSON API, in memory: what stands in where ``fake-gcs-server``
cannot be installed. ``python -m sandbox.gcs_server PORT``.

It knows what an SDK needs for objects: uploads in one part and resumable ones, ranges, lists by page, generations with
their conditions, and CRC32C checksums, which it compares with what is uploaded. It asks for no credentials, and has
no access rights, versions, batches or compositions.
"""

from __future__ import annotations

import base64
import email
import email.policy
import itertools
import json
import re
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

PAGE = 1000
"""Objects on a page of a list at most."""
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object, as it was uploaded."""

    content: bytes
    generation: int
    metadata: dict[str, Any]

    def describe(self, bucket: str, name: str) -> dict[str, Any]:
        """The resource that the API calls an object."""
        return {
            **self.metadata,
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(len(self.content)),
            "generation": str(self.generation),
            "crc32c": checksum(self.content),
        }


def checksum(content: bytes) -> str:
    """The CRC32C as the API writes it."""
    return base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()


@dataclass
class Buckets:
    """Everything that was stored. Shared by the requests' threads."""

    objects: dict[str, dict[str, StoredObject]] = field(default_factory=dict)
    sessions: dict[str, tuple[str, dict[str, Any], str | None, bytearray]] = field(default_factory=dict)
    """Resumable uploads by their id: the bucket, the metadata, the condition, what has come."""
    changing: threading.Lock = field(default_factory=threading.Lock)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def bucket(self, name: str) -> dict[str, StoredObject]:
        if name not in self.objects:
            raise Refused(HTTPStatus.NOT_FOUND, "The specified bucket does not exist.")
        return self.objects[name]

    def find(self, bucket: str, name: str) -> StoredObject:
        found = self.bucket(bucket).get(name)
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"No such object: {bucket}/{name}")
        return found

    def store(self, bucket: str, metadata: dict[str, Any], content: bytes, condition: str | None) -> dict[str, Any]:
        """Creates or replaces an object; ``condition`` is the generation that must be there now, "0" for none."""
        told = metadata.get("crc32c")
        if told is not None and told != checksum(content):
            raise Refused(HTTPStatus.BAD_REQUEST, f"Provided CRC32C {told} does not match {checksum(content)}")
        name = metadata["name"]
        with self.changing:
            there = self.bucket(bucket).get(name)
            if condition is not None and int(condition) != (there.generation if there else 0):
                raise Refused(HTTPStatus.PRECONDITION_FAILED, "At least one of the pre-conditions did not hold.")
            made = StoredObject(content, next(self.numbers), metadata)
            self.objects[bucket][name] = made
        return made.describe(bucket, name)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # An answer is written in two pieces; the second would wait for the first to be acknowledged, which takes 40 ms.
    disable_nagle_algorithm = True
    buckets: Buckets

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._continue)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def log_message(self, *arguments: object) -> None:
        """Says nothing: the tests' faults are looked for elsewhere."""

    def _answer(self, work: Any) -> None:
        self.url = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(self.url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            work(body)
        except Refused as refusal:
            error = {"error": {"code": refusal.status.value, "message": str(refusal)}}
            self._send(refusal.status, json.dumps(error).encode())

    def _send(self, status: HTTPStatus, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _send_json(self, value: dict[str, Any]) -> None:
        self._send(HTTPStatus.OK, json.dumps(value).encode())

    def _place(self) -> tuple[str, str | None]:
        """The bucket and the object that the path names."""
        match self.url.path.partition("/storage/v1/b/")[2].split("/", 2):
            case [bucket, "o", name]:
                return unquote(bucket), unquote(name)
            case [bucket] | [bucket, "o"]:
                return unquote(bucket), None
        raise Refused(HTTPStatus.NOT_FOUND, f"nothing is served at {self.url.path}")

    # Reading

    def _get(self, body: bytes) -> None:
        bucket, name = self._place()
        if self.url.path == f"/storage/v1/b/{bucket}":
            self.buckets.bucket(bucket)
            self._send_json({"kind": "storage#bucket", "name": bucket, "location": "NOWHERE", "projectNumber": "1"})
            return
        if name is None:
            self._list(bucket)
            return
        found = self.buckets.find(bucket, name)
        if self.query.get("alt") != "media":
            self._send_json(found.describe(bucket, name))
            return
        headers = {"Content_Type": "application/octet-stream", "X_Goog_Hash": f"crc32c={checksum(found.content)}"}
        size = len(found.content)
        if asked := _RANGE.fullmatch(self.headers.get("Range", "")):
            start, end = int(asked[1]), min(int(asked[2] or size), size - 1)
            if start >= size:
                raise Refused(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The requested range is beyond the end.")
            headers["Content_Range"] = f"bytes {start}-{end}/{size}"
            self._send(HTTPStatus.PARTIAL_CONTENT, found.content[start : end + 1], **headers)
        else:
            self._send(HTTPStatus.OK, found.content, **headers)

    def _list(self, bucket: str) -> None:
        prefix, after = self.query.get("prefix", ""), self.query.get("pageToken", "")
        names = sorted(name for name in self.buckets.bucket(bucket) if name.startswith(prefix) and name > after)
        page = names[: min(PAGE, int(self.query.get("maxResults", PAGE)))]
        items = [found.describe(bucket, name) for name in page if (found := self.buckets.bucket(bucket).get(name))]
        self._send_json({"items": items} | ({"nextPageToken": page[-1]} if len(page) < len(names) else {}))

    # Writing

    def _post(self, body: bytes) -> None:
        if self.url.path == "/storage/v1/b":
            self.buckets.objects.setdefault(json.loads(body)["name"], {})
            self._send_json({})
            return
        bucket, _ = self._place()
        condition = self.query.get("ifGenerationMatch")
        if self.query.get("uploadType") == "multipart":
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            # As bytes: an e-mail parser would change line ends in the content.
            boundary = email.message_from_bytes(head, policy=email.policy.HTTP).get_boundary() or ""
            _, first, second, _ = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
            metadata = json.loads(first.partition(b"\r\n\r\n")[2])
            content = second.partition(b"\r\n\r\n")[2]
            self._send_json(self.buckets.store(bucket, metadata, content, condition))
        else:
            self.buckets.bucket(bucket)
            upload = str(next(self.buckets.numbers))
            self.buckets.sessions[upload] = bucket, json.loads(body), condition, bytearray()
            host = self.headers["Host"]
            self._send(HTTPStatus.OK, Location=f"http://{host}/upload/storage/v1/b/{bucket}/o?upload_id={upload}")

    def _continue(self, body: bytes) -> None:
        """A chunk of a resumable upload, or the question how much of it has come."""
        upload = self.query.get("upload_id", "")
        if upload not in self.buckets.sessions:
            raise Refused(HTTPStatus.GONE, "there is no such upload")
        bucket, metadata, condition, come = self.buckets.sessions[upload]
        said = _CONTENT_RANGE.fullmatch(self.headers.get("Content-Range", ""))
        if said and said[1]:
            come[int(said[1]) :] = body
        elif not said:
            come[:] = body
        if said and (said[2] == "*" or int(said[2]) > len(come)):
            received = {"Range": f"bytes=0-{len(come) - 1}"} if come else {}
            self._send(HTTPStatus.PERMANENT_REDIRECT, b"", **received)  # the API's "resume incomplete"
            return
        stored = self.buckets.store(bucket, metadata, bytes(come), condition)
        del self.buckets.sessions[upload]
        self._send_json(stored)

    def _delete(self, body: bytes) -> None:
        bucket, name = self._place()
        if name is None:
            self.buckets.sessions.pop(self.query.get("upload_id", ""), None)
        else:
            with self.buckets.changing:
                self.buckets.find(bucket, name)
                del self.buckets.objects[bucket][name]
        self._send(HTTPStatus.NO_CONTENT)


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as an SDK's pool opens."""

    request_queue_size = 128
    daemon_threads = True


def main() -> None:
    """Serves until it is killed."""
    Handler.buckets = Buckets()
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()


if __name__ == "__main__":
    main()
