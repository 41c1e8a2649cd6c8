"""The HTTP server that Prometheus scrapes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from tidemark.config.metrics import split_address
from tidemark.errors import ConfigError

PAGE = b"""<!doctype html><title>Tidemark exporter</title>
<h1>Tidemark exporter</h1>
<p><a href="/metrics">/metrics</a> for Prometheus, <a href="/healthz">/healthz</a> for whoever looks after it.</p>
"""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Exporter:
    """Serves ``/metrics`` and ``/healthz``, each request in a thread of its own. ``/healthz`` answers as long as the
    process does; whether Redis answers is ``tidemark_up``'s to tell.

    >>> with Exporter(FleetCollector(load), "127.0.0.1:9899") as exporter:
    ...     exporter.wait()
    """

    def __init__(self, collector: Collector, listen: str) -> None:
        """Binds the address ``listen`` (``host:port``; port 0 takes a free one). ``ConfigError`` when it cannot."""
        registry = CollectorRegistry()
        registry.register(collector)
        ProcessCollector(registry=registry)
        self._metrics = make_wsgi_app(registry)
        host, port = split_address(listen)
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            kind = type("Server", (_Server,), {"address_family": family})
            self._server: WSGIServer = make_server(host, port, self._answer, kind, handler_class=_Quiet)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {listen}: {error.strerror or error}",
                "is another exporter running? Name another address with --listen or [metrics] listen",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="exporter", daemon=True)

    @property
    def address(self) -> str:
        """``host:port`` that it listens on."""
        host, port = self._server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def __enter__(self) -> Exporter:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self) -> None:
        """Returns when the server has ended; it is meant to be interrupted."""
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return self._metrics(environ, start_response)  # type: ignore[no-any-return]
            case "/healthz":
                start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
                return [b"ok\n"]
            case "/":
                start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
                return [PAGE]
            case _:
                start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
                return [b"there is /metrics and /healthz\n"]


class _Server(ThreadingWSGIServer):
    def server_bind(self) -> None:
        """Without the look-up of our own name, which takes seconds where the resolver is not set up."""
        self.allow_reuse_address = True
        socket_server_bind(self)
        self.setup_environ()


def socket_server_bind(server: _Server) -> None:
    """What ``socketserver.TCPServer`` does, and the two attributes that wsgiref wants."""
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.socket.bind(server.server_address)
    server.server_address = server.socket.getsockname()
    server.server_name, server.server_port = str(server.server_address[0]), int(server.server_address[1])


class _Quiet(WSGIRequestHandler):
    """A line per scrape tells nobody anything."""

    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def address_string(self) -> str:
        """Without looking up the name of who asks."""
        return str(self.client_address[0])
