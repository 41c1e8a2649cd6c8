"""Object stores of one's own on loopback, as processes: what speaks S3 or Google's JSON API."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

import boto3

from sandbox import processes
from sandbox.ports import free_port

ACCESS_KEY = "sandbox"
SECRET_KEY = "sandbox-secret"  # of servers that live for the length of a test
REGION = "us-east-1"
_SECONDS_TO_ANSWER = 60


class ObjectServer:
    """A program that serves objects over HTTP on a free port of loopback. Everything lies in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Returns when it takes connections."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self.folder / "server.log"
        self._process = processes.start(self._command(), log=log, environment=self._environment())
        deadline = time.monotonic() + _SECONDS_TO_ANSWER
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise processes.ProcessFailed(f"{type(self).__name__} did not start:\n{processes.tail(log)}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Ends it. Does nothing when it is not running."""
        if self._process is not None:
            processes.stop(self._process, grace=5)
            self._process = None

    def kill(self) -> None:
        """``kill -9``; ``start`` serves on the same port again what lies in the folder."""
        if self._process is not None:
            processes.kill(self._process)
            self._process = None

    def make_bucket(self, name: str) -> None:
        raise NotImplementedError

    def _command(self) -> list[str | Path]:
        raise NotImplementedError

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath)}

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.stop()


class S3Server(ObjectServer):
    """One that speaks S3."""

    def make_bucket(self, name: str) -> None:
        client = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        client.create_bucket(Bucket=name)


class MotoServer(S3Server):
    """moto's server: AWS in one process's memory; takes any credentials."""

    def _command(self) -> list[str | Path]:
        return [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(self.port)]


class VersityGateway(S3Server):
    """``versitygw``, a real S3 server over a folder: checks signatures, conditional creates and checksums."""

    def __init__(self, folder: Path, program: Path) -> None:
        super().__init__(folder)
        self._program = program

    def _command(self) -> list[str | Path]:
        objects = self.folder / "objects"
        objects.mkdir(exist_ok=True)
        return [self._program, "--port", f"127.0.0.1:{self.port}", "--region", REGION, "posix", objects]

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}


class GcsServer(ObjectServer):
    """One that speaks Google Cloud Storage's JSON API: the sandbox's own small one; asks for no credentials."""

    def make_bucket(self, name: str) -> None:
        request = urllib.request.Request(
            f"{self.url}/storage/v1/b?project=emulator",
            data=json.dumps({"name": name}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass

    def _command(self) -> list[str | Path]:
        return [sys.executable, "-m", "sandbox.gcs_server", str(self.port)]


class FakeGcsServer(GcsServer):
    """``fake-gcs-server``: the same API, written by others, over its process's memory."""

    def __init__(self, folder: Path, program: Path) -> None:
        super().__init__(folder)
        self._program = program

    def _command(self) -> list[str | Path]:
        words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-backend", "memory"]
        return [self._program, *words, "-external-url", self.url, "-log-level", "error"]


def find_gcs_server(folder: Path) -> GcsServer:
    """``fake-gcs-server`` where it is installed, the sandbox's own otherwise."""
    program = shutil.which("fake-gcs-server")
    return FakeGcsServer(folder, Path(program)) if program else GcsServer(folder)
