"""What the suite over both flavours shares: a real primary, and private servers in folders of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from sandbox import templates
from sandbox.primary import Primary
from sandbox.programs import find_programs
from tests.support.waiting import wait_until
from tidemark import mysql
from tidemark.mysql import replicate_until
from tidemark.progress import Progress, ignore


def endpoint_of(primary: Primary, **changes: object) -> mysql.Endpoint:
    """The primary with an account that has the rights which Tidemark needs, and no others."""
    primary.execute("DROP USER IF EXISTS tidemark@'%'")
    user, password = primary.create_backup_account()
    endpoint = mysql.Endpoint(primary.host, primary.port, user, password)
    return replace(endpoint, **changes)  # type: ignore[arg-type]


def installed(primary: Primary) -> mysql.Flavour:
    """The flavour with the programs that the primary was started with."""
    programs = find_programs(primary.flavour, primary.bin_folder)
    assert programs is not None
    return mysql.find_flavour(primary.flavour, programs.server.parent)


class Home:
    """A run's folder, and servers in it; each call of ``server`` is a step that knows nothing of the one before."""

    def __init__(self, flavour: mysql.Flavour, folder: Path) -> None:
        self.flavour = flavour
        self.folder = folder
        self.variables: dict[str, str] = {}
        self.seen: list[Progress] = []

    def server(self, *, die_with_parent: bool = True, disable_redo_log: bool = True) -> mysql.PrivateServer:
        options = mysql.ServerOptions(
            variables=self.variables,
            buffer_pool=64 << 20,
            start_timeout=60,
            stop_timeout=60,
            disable_redo_log=disable_redo_log,
            die_with_parent=die_with_parent,
        )
        return mysql.PrivateServer(self.flavour, self.folder, options)

    def started(self, endpoint: mysql.Endpoint | None = None) -> mysql.PrivateServer:
        """An empty server that runs, like the source if there is one. Only the first one of its kind is initialised;
        the others begin with a copy of what that has made."""
        if endpoint is not None:
            with mysql.connect(endpoint) as source:
                self.variables = source.variables()
        server = self.server()

        def initialise(data: Path) -> None:
            server.initialise(ignore)
            (server.data / "auto.cnf").unlink(missing_ok=True)  # each server has a uuid of its own
            shutil.move(server.data, data)

        kind = templates.digest(self.flavour.server_program(), sorted(self.variables.items()))
        templates.copy(f"private-{self.flavour.name}-{kind}", initialise, server.data)
        server.mark_cold()
        server.start(ignore)
        return server

    def catch_up(
        self, server: mysql.PrivateServer, endpoint: mysql.Endpoint, *, checkpoint: str = "", stall_timeout: float = 30
    ) -> mysql.Catchup:
        """To the source's position at this moment, or to the one that is given."""
        if not checkpoint:
            with mysql.connect(endpoint) as source:
                checkpoint = source.position()
        return replicate_until(
            server, lambda: endpoint, checkpoint, mysql.CatchupLimits(stall_timeout), progress=self.seen.append
        )

    def processes(self) -> list[psutil.Process]:
        """Every living process that has this folder in its command line."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.status() != psutil.STATUS_ZOMBIE and str(self.folder) in " ".join(process.cmdline()):
                    found.append(process)
        return [process for process in found if process.pid != os.getpid()]

    def server_process(self) -> psutil.Process:
        """The private server itself."""
        return wait_until(lambda: next(iter(self.processes()), None), 10, "the private server runs")


@contextlib.contextmanager
def home(primary: Primary, folder: Path) -> Iterator[Home]:
    """A run's folder for copies of this primary. Ends with a check that nothing was left behind but files."""
    place = Home(installed(primary), folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield place
    finally:
        mysql.kill_leftover(folder)
    assert place.processes() == []
