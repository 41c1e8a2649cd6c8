"""A receiver of webhooks on loopback that answers, fails, hangs or redirects, as told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

PATH = "/services/T000/s3cret-token"
"""What of the address is a secret."""


class Receiver:
    """Use as a context manager. ``answer`` is the status to give, or ``hang``; ``bodies`` is what has come in."""

    def __init__(self) -> None:
        self.answer: int | str = 200
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self._release = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.paths.append(self.path)
                if receiver.answer == "hang":
                    receiver._release.wait(60)
                    return
                if receiver.answer == 200:
                    receiver.bodies.append(body)
                self.send_response(int(receiver.answer))
                if 300 <= int(receiver.answer) < 400:
                    self.send_header("Location", f"{receiver.address}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def texts(self) -> list[str]:
        """Every event that has come in, in Tidemark's own format, as one line."""
        return [event["text"] for body in self.bodies for event in body["events"]]

    def write_url(self, path: Path) -> Path:
        """A file of mode 0600 with the address."""
        path.touch(0o600)
        path.write_text(f"{self.address}{PATH}\n")
        return path

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
