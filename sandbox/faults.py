"""A proxy in front of an object server that does to chosen requests what networks and busy services do."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import urlsplit

Fault = Literal["slow down", "deny", "reset", "lose answer", "stall", "truncate", "flip"]
_SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})


class FaultyProxy:
    """Passes requests on to ``url``. Each request whose method is waited for takes the next fault, if there is one."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url).netloc
        self._faults: dict[str, deque[Fault]] = {}
        self._lock = threading.Lock()
        self.met: list[tuple[str, Fault]] = []
        """The method and the fault of every request that met one."""
        self.unanswered = 0
        """Requests that the server behind took no notice of."""
        self.closed = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # An answer's content would wait, 40 ms long, until its head is acknowledged.
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    super().handle()

            def log_message(self, format: str, *args: object) -> None:
                pass

            def _serve(self) -> None:
                proxy._serve(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def inject(self, method: str, fault: Fault, times: int = 1) -> None:
        """The next ``times`` requests of this method meet the fault."""
        with self._lock:
            self._faults.setdefault(method, deque()).extend([fault] * times)

    def forget(self) -> None:
        """What has been injected and not met will not be met."""
        with self._lock:
            self._faults.clear()

    def _next(self, method: str) -> Fault | None:
        with self._lock:
            waiting = self._faults.get(method)
            if not waiting:
                return None
            self.met.append((method, waiting[0]))
            return waiting.popleft()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        fault = self._next(request.command)
        expects = request.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if fault == "reset":
            _reset(request.connection)
            request.close_connection = True
            return
        body = b"" if expects else request.rfile.read(int(request.headers.get("Content-Length", 0)))
        match fault:
            case "slow down":
                _answer(request, 503, _SLOW_DOWN)
                return
            case "deny":
                _answer(request, 403, _DENIED)
                return
            case "stall":
                self.closed.wait(60)
                request.close_connection = True
                return
        link = http.client.HTTPConnection(self._target, timeout=60)
        with contextlib.closing(link):
            headers = {key: value for key, value in request.headers.items() if key.lower() != "expect"}
            try:
                link.request(request.command, request.path, body, headers)
                answer = link.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                self.unanswered += 1
                _reset(request.connection)
                request.close_connection = True
                return
        if fault == "lose answer":
            _reset(request.connection)
            request.close_connection = True
            return
        change: Callable[[bytes], bytes] = {"flip": _flip}.get(fault or "", bytes)
        request.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in _HOP_BY_HOP:
                request.send_header(key, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(content))
        if length is not None:
            request.send_header("Content-Length", length)
        request.end_headers()
        if fault == "truncate":
            request.wfile.write(content[: len(content) // 2])
            request.wfile.flush()
            request.close_connection = True
            return
        request.wfile.write(change(content))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _answer(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/xml")
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(content)


def _flip(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:] if content else content


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
