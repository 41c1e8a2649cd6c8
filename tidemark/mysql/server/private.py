"""The private server: a disposable mysqld in the run's folder that nobody but us can reach."""

from __future__ import annotations

import dataclasses
import os
import secrets as randomness
import shutil
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal

import psutil

from tidemark import files
from tidemark.errors import (
    DataFolderVoid,
    DiskFull,
    ServerError,
    ServerStartFailed,
    StatementFailed,
    StopFailed,
    TidemarkError,
)
from tidemark.holdings import Inventory
from tidemark.mysql import process
from tidemark.mysql.flavours.base import Flavour, account_statements
from tidemark.mysql.layout import Layout
from tidemark.mysql.options import SHARED_OPTIONS, ServerOptions, new_server_id, option_file, write_private
from tidemark.mysql.server import state
from tidemark.mysql.server.error_log import ErrorLog
from tidemark.mysql.server.inventory import missing_plugins, take_inventory
from tidemark.mysql.server.state import ServerRecord
from tidemark.mysql.session import LOST, Session
from tidemark.mysql.source.base import Source
from tidemark.mysql.source.time_zone import Offsets, find_zone, local_time_of, offsets_of
from tidemark.progress import Progress, ProgressCallback

State = Literal["absent", "cold", "running", "void"]

_CONNECT = 60
"""Seconds until a server that lives and takes no connection counts as one that does not answer."""
_POLL = 0.05
"""Seconds between two looks at a server that starts or stops."""


class StatementRefused(ServerError):
    """The private server has answered with an error."""

    number = 0
    """The server's error number."""

    @classmethod
    def numbered(cls, number: int, message: str) -> StatementRefused:
        """The error with the server's number."""
        error = cls(f"{message} ({number})")
        error.number = number
        return error


class ConnectionLost(ServerError):
    """The private server lives, but does not answer, or not in time."""


class PrivateServer:
    """One server on one data folder. Everything that it is stands on disk: another process can carry on with it."""

    def __init__(self, flavour: Flavour, folder: Path, options: ServerOptions) -> None:
        self.flavour = flavour
        self.layout = Layout(folder.absolute())
        self.options = options
        self.log = ErrorLog(self.layout.error_log)
        self._session: Session | None = None
        self._offsets: Offsets | None = None
        """Of the source's local time, once it was asked."""

    def __enter__(self) -> PrivateServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the server, which goes on as it is. A session that stayed open would hold up a later shutdown: the
        server waits two seconds for its clients to leave."""
        if self._session is not None:
            self._session.close()
            self._session = None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.layout.data

    def state(self) -> State:
        """``absent``: nothing that a server could start on. ``cold``: at rest, complete. ``running``: with a living
        server of ours. ``void``: a server was on it and did not stop cleanly."""
        known = state.read(self.layout)
        if known is None or not self.data.exists():
            return "absent"
        if known.phase == "cold":
            return "cold"
        return "running" if self._living(known) else "void"

    def mark_cold(self) -> None:
        """Says that ``data`` now holds complete files at rest, as a restore leaves them."""
        state.write(self.layout, ServerRecord("cold"))

    def clear(self) -> None:
        """Throws the data folder away, whatever state it is in, and with it a server that lives on it."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        self.layout.record.unlink(missing_ok=True)

    def initialise(self, progress: ProgressCallback) -> None:
        """Makes a new, empty data folder. Raises ``ServerStartFailed``."""
        if self.state() == "cold":
            return
        if self.state() != "absent":
            raise ServerError(f"{self.data} is not a place for a new server: it is {self.state()}")
        progress(Progress("initialising an empty server", 0, None, "seconds"))
        shutil.rmtree(self.data, ignore_errors=True)
        self._make_folders()
        self.data.mkdir(mode=0o700)
        self._write_options(self.layout.place_socket(), init_file=False)
        self.run_program(
            self.flavour.initialise_command(self.layout),
            "making an empty data folder",
            timeout=self.options.start_timeout,
        )
        self.mark_cold()

    # Start

    def start(self, progress: ProgressCallback) -> None:
        """Starts the server, or takes over the one that runs; returns when it answers. Raises ``DataFolderVoid`` for a
        folder that nobody can vouch for, ``ServerStartFailed`` for a server that does not come up."""
        match self.state():
            case "absent":
                raise ServerError(f"there is no data folder {self.data} to start a server on")
            case "void":
                raise self._void()
            case "cold":
                try:
                    self._launch()
                except OSError as error:
                    if error.errno not in files.NO_ROOM:
                        raise
                    raise DiskFull(
                        f"no room for what the private server needs in {self.layout.server}: {error.strerror}",
                        "free some room, or set [node] scratch to a larger disk",
                    ) from error
        self._wait_until_it_answers(progress)

    def _launch(self) -> None:
        self.close()
        self._make_folders()
        socket = self.layout.place_socket()
        state.make_socket_folder(socket, self.layout)
        user, password = f"tidemark_{randomness.token_hex(4)}", f"Aa1!{randomness.token_urlsafe(24)}"
        write_private(self.layout.init, "".join(f"{line};\n" for line in account_statements(user, password)))
        login = {"user": user, "password": password, "socket": str(socket)}
        write_private(self.layout.account, option_file({"client": login}))
        self._write_options(socket, init_file=True)
        self.log.mark()
        command = [str(self.flavour.server_program()), f"--defaults-file={self.layout.options}"]
        if self.options.die_with_parent:
            command = process.bound_to_us(command)
        # The record comes first: a crash of ours between the two leaves a void folder, never one that looks at rest.
        state.write(self.layout, ServerRecord("started", None, str(socket)))
        started = process.spawn(
            command, self.layout.console, process.environment(self.layout.tmp, self.options.time_zone)
        )
        state.write(self.layout, ServerRecord("started", started, str(socket)))

    def _wait_until_it_answers(self, progress: ProgressCallback) -> None:
        began = time.monotonic()
        activity = process.Activity(self._living(state.read(self.layout)))
        while True:
            try:
                self.session().run("SELECT 1")
                break
            except DataFolderVoid:
                if not self.log.complains(self.layout.console):
                    raise  # killed by somebody, or by a kernel without memory: nothing is wrong with its data
                raise ServerStartFailed(
                    f"the private {self.flavour.name} {self.flavour.server_version} ended while it started:\n"
                    f"{self.log.explain(self.layout.console)}",
                    f"the whole log is {self.layout.error_log} until the run is cleared",
                ) from None
            except ServerError as error:
                self.close()
                waited = time.monotonic() - began
                if activity.idle() > self.options.start_timeout:
                    self.kill()
                    raise ServerStartFailed(
                        f"the private {self.flavour.name} has not answered for {waited:.0f} s, and for the last "
                        f"{self.options.start_timeout:.0f} s it has read, written and computed nothing: "
                        f"{error.message}\n{self.log.explain(self.layout.console)}",
                        "see whether its disk hangs; if it only waited, raise [node] start_timeout",
                    ) from error
                progress(Progress("starting the private server", int(waited), None, "seconds"))
                time.sleep(_POLL)
        self.layout.init.unlink(missing_ok=True)
        if missing := missing_plugins(self.session(), self.options.plugins):
            explained = self.log.explain(self.layout.console)
            self.kill()
            raise ServerStartFailed(
                f"the private {self.flavour.name} has not loaded {', '.join(missing)}:\n{explained}",
                "correct plugins of the shard, or install the library in this node's plugin folder",
            )

    # Positions

    def position(self) -> str:
        """The exact position that the running server has replicated to; normalised."""
        return self.flavour.private_position(self.session())

    def set_position(self, position: str) -> None:
        """Sees to it that the server stands at this position; one that has already replicated further is left alone.
        Raises ``ServerError`` when that cannot be."""
        self.flavour.set_position(self.session(), position)

    def inventory(self) -> Inventory:
        """All that the running server says it holds."""
        return take_inventory(self.session(), self.flavour)

    def share_variables(self, source: Source) -> dict[str, str]:
        """Makes the source's variables of this moment this server's own, from its next start on, but for those that its
        data folder is made with; gives all that it shares then."""
        variables = {**self.options.variables, **source.changing_variables()}
        self.options = dataclasses.replace(self.options, variables=variables)
        return variables

    def share_time_zone(self, source: Source, wanted: str = "") -> None:
        """Makes the system's time zone of the source this server's own, from its next start on; ``wanted`` is the zone
        that the operator has named. Raises ``SourceUnfit`` when this machine does not have it."""
        local = local_time_of(source.session, datetime.now(UTC))
        self.options = dataclasses.replace(self.options, time_zone=find_zone(local, wanted, str(source.endpoint)))
        self._offsets = local.recent

    def check_time_zone(self) -> None:
        """Raises ``ServerError`` when the running server's local time is not the one that it should share."""
        if self._offsets is not None and offsets_of(self.session(), self._offsets) != self._offsets:
            raise ServerError(
                f"the private server's local time is not the source's, with TZ={self.options.time_zone or '(our own)'}",
                "name the zone of the primary's machine: time_zone of the shard",
            )

    # Statements

    def session(self) -> Session:
        """The session of the private account; made when first asked for. Raises ``ServerError`` while the server does
        not answer, ``DataFolderVoid`` when it has died."""
        if self._session is None:
            self._session = self.open_session()
        return self._session

    def open_session(self, *, answer_timeout: float | None = None, secrets: Sequence[str] = ()) -> Session:
        """Another session of the private account; ``answer_timeout`` is how long one statement may take, seconds."""
        limits = {"connect_timeout": _CONNECT}
        if answer_timeout is not None:
            seconds = max(1, int(answer_timeout))
            limits = {"connect_timeout": min(seconds, _CONNECT), "read_timeout": seconds}
        return Session(
            self._translate,
            secrets=secrets,
            read_default_file=str(self.layout.account),
            read_default_group="client",
            **limits,
        )

    def execute_all(self, statements: Sequence[str], *, timeout: float, fail_on_error: bool) -> list[str]:
        """Runs the operator's statements, each within ``timeout`` seconds, outside of replication; gives the errors
        that were tolerated. Raises ``StatementFailed``."""
        tolerated: list[str] = []
        for statement in statements:
            try:
                with self.open_session(answer_timeout=timeout) as session:
                    session.run("SET SESSION sql_log_bin=0")
                    session.run(statement)
            except DataFolderVoid:
                raise
            except ServerError as error:
                failure = f'"{statement}" failed on the private server: {error.message}'
                if fail_on_error:
                    raise StatementFailed(
                        failure, "correct sql_before_stop, or set sql_fail_on_error = false"
                    ) from error
                tolerated.append(failure)
        return tolerated

    def run_script(self, path: Path) -> None:
        """Runs a file of SQL statements as the flavour's client program does. Raises ``StatementFailed``."""
        command = [*self.client_command(), "--init-command=SET SESSION sql_log_bin=0"]
        try:
            with path.open("rb") as script:
                self.run_program(command, f"running {path}", timeout=None, stdin=script.fileno())
        except OSError as error:
            raise StatementFailed(f"{path} cannot be read: {error.strerror}") from error
        except ServerStartFailed as error:
            raise StatementFailed(error.message, "correct the file; nothing of this run is kept") from error

    def client_command(self) -> list[str]:
        """The flavour's client program, logged in by the private account."""
        return [str(self.flavour.client_program()), f"--defaults-file={self.layout.account}"]

    # Stop

    def stop(self, *, upgrade_safe: bool, progress: ProgressCallback) -> None:
        """Shuts the server down so that its files are a backup: no source, no private account, durable, clean. A
        server that is at rest already is left alone. Raises ``StopFailed``, ``DataFolderVoid``."""
        match self.state():
            case "cold":
                return
            case "running":
                pass
            case _:
                raise self._void()
        known = state.read(self.layout)
        living = self._living(known)
        with self.open_session(answer_timeout=self.options.stop_timeout) as session:
            self.flavour.prepare_shutdown(session, upgrade_safe=upgrade_safe)
            self._drop_account(session)
            self.close()
            self.log.mark()
            try:
                session.run("SHUTDOWN")
            except (ConnectionLost, DataFolderVoid):
                pass  # it may close the connection before it answers; how it ended is looked at below
            except ServerError as error:
                raise StopFailed(f"the private server refuses to shut down: {error.message}") from error
        status = self._wait_until_gone(living, progress)
        if status not in {0, None} or not self.log.says_clean_shutdown():
            raise DataFolderVoid(
                f"the private server did not shut down cleanly (exit status {status}):\n"
                f"{self.log.explain(self.layout.console)}",
                "the run starts over from restore; if it happens again, see the disk and the memory of this node",
            )
        state.remove_socket_folder(self.layout, known)
        for path in (self.layout.account, self.layout.init, self.layout.options):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.layout.relay, ignore_errors=True)
        shutil.rmtree(self.layout.tmp, ignore_errors=True)
        self.mark_cold()

    def _drop_account(self, session: Session) -> None:
        user = session.value("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)")
        if not user.startswith("tidemark_"):
            raise StopFailed(f"the private server is used as {user}, which is not the private account")
        session.run("SET SESSION sql_log_bin=0")
        session.run(f"DROP USER '{user}'@'localhost'")

    def _wait_until_gone(self, living: psutil.Process | None, progress: ProgressCallback) -> int | None:
        began = time.monotonic()
        activity = process.Activity(living)
        progress(Progress("shutting down", 0, None, "seconds"))
        while living is not None:
            gone, status = process.wait(living, 0.2)
            if gone:
                return status
            waited = time.monotonic() - began
            progress(Progress("shutting down", int(waited), None, "seconds", self.log.last_line()))
            if activity.idle() > self.options.stop_timeout:
                raise StopFailed(
                    f"the private server has been shutting down for {waited:.0f} s, and for the last "
                    f"{self.options.stop_timeout:.0f} s it has read, written and computed nothing: "
                    f"{self.log.last_line()}",
                    "see whether its disk hangs; if it only waited, raise [node] stop_timeout",
                )
        return None

    def kill(self) -> None:
        """Ends the recorded server at once, if it still lives; its data folder is void from then on."""
        self.close()
        state.kill_all(self.layout)

    # Helpers

    def run_program(
        self, command: Sequence[str], what: str, *, timeout: float | None, stdin: int = subprocess.DEVNULL
    ) -> None:
        """Runs one of the flavour's programs to its end. Raises ``ServerStartFailed`` with what it printed."""
        self._make_folders()
        try:
            done = subprocess.run(
                process.bound_to_us(command),
                stdin=stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
                env=process.environment(self.layout.tmp),
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise ServerStartFailed(f"{what}: no end after {timeout:.0f} s", "raise [node] start_timeout") from None
        except OSError as error:
            raise ServerStartFailed(f"{what}: {command[0]} cannot be run: {error.strerror}") from error
        if done.returncode:
            printed = (done.stderr + done.stdout).decode("utf-8", "replace").strip()
            raise ServerStartFailed(f"{what} failed: {printed[-2000:] or self.log.explain(self.layout.console)}")

    def wait_for_exit(self, seconds: float) -> bool:
        """Waits until a server that shuts down by itself is gone, as MySQL does after a clone."""
        self.close()
        living = self._living(state.read(self.layout))
        return living is None or process.wait(living, seconds)[0]

    def start_again(self, progress: ProgressCallback) -> None:
        """Starts a server that has shut down by itself in an orderly way; only the first copy knows of such a case."""
        self.mark_cold()
        self.start(progress)

    def make_account_again(self) -> None:
        """Makes the private account once more after a copy has replaced all accounts; the session has survived."""
        user = self.session().value("SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)")
        password = f"Aa1!{randomness.token_urlsafe(24)}"
        self.session().run("FLUSH PRIVILEGES")
        for statement in account_statements(user, password):
            self.session().run(statement)
        known = state.read(self.layout)
        login = {"user": user, "password": password, "socket": known.socket if known else ""}
        write_private(self.layout.account, option_file({"client": login}))

    def _make_folders(self) -> None:
        for folder in (self.layout.server, self.layout.tmp, self.layout.relay):
            files.make_private(folder)

    def _write_options(self, socket: Path, *, init_file: bool) -> None:
        values: dict[str, str | None] = {
            "datadir": str(self.data),
            "socket": str(socket),
            "pid_file": str(self.layout.server / "mysqld.pid"),
            "log_error": str(self.layout.error_log),
            "tmpdir": str(self.layout.tmp),
            "server_id": str(new_server_id()),
            "innodb_buffer_pool_size": str(self.options.buffer_pool),
            **SHARED_OPTIONS,
            **self.flavour.option_values(self.layout, self.options),
        }
        # What the primary has taken must be taken, whatever its sessions had set.
        values["innodb_strict_mode"] = "OFF"
        if self.options.plugins:
            values["plugin_load_add"] = ";".join(self.options.plugins)
        if os.geteuid() == 0:
            values["user"] = "root"
        if init_file:
            values["init_file"] = str(self.layout.init)
        write_private(self.layout.options, option_file({"mysqld": values}))

    def _living(self, known: ServerRecord | None) -> psutil.Process | None:
        return process.find(known.process, self.layout.options) if known else None

    def _translate(self, number: int, message: str) -> TidemarkError:
        if number in LOST | {2002, 2003}:
            self.close()
            living = self._living(state.read(self.layout))
            # A server that is killed closes its connections a moment before it is gone.
            if living is None or (number in LOST and process.wait(living, 0.5)[0]):
                return self._void()
            return ConnectionLost(f"the private server does not answer: {message} ({number})")
        return StatementRefused.numbered(number, message)

    def _void(self) -> DataFolderVoid:
        return DataFolderVoid(
            f"the private server on {self.data} died without a clean shutdown:\n"
            f"{self.log.explain(self.layout.console)}",
            "with relaxed durability nobody can vouch for its pages: the run goes back to restore",
        )
