"""A run: one attempt at one shard's next backup, and the folder that holds what it has done."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from tidemark import files
from tidemark.config import Settings, ShardSettings
from tidemark.disk import scratch_error
from tidemark.errors import RunError
from tidemark.holdings import Inventory
from tidemark.results import STEPS, StepResult
from tidemark.shards import topology

Result = TypeVar("Result", bound=StepResult)

RunId = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$")]
"""What a run is called: the time it began, UTC, and chance."""

_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_RECORD = "run.json"


class RunOnDisk(BaseModel):
    """What ``run.json`` says: enough to continue a run, or to clean up after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    shard: str
    node_id: str
    """The node that works in this folder; empty for ``tidemark backup``, which needs no fleet."""
    started_at: datetime
    first_backup: str | None = None
    """What the operator or the fleet said about a first backup, over the configuration."""
    force: bool = False
    """Whether the operator wants a backup however young the newest one is."""


class InventoryNote(BaseModel):
    """What a server said that it holds, noted in the run's folder: too long for a result that goes through Redis."""

    model_config = ConfigDict(frozen=True)

    server_version: str
    """Of the server that said so."""
    inventory: Inventory


Noted = Literal["restored", "stopped"]
"""``restored``: what the restored backup's manifest says. ``stopped``: what the private server said at its stop."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run and all that its steps need to know."""

    on_disk: RunOnDisk
    shard: ShardSettings
    settings: Settings
    config_path: Path
    folder: Path
    """``<scratch>/runs/<run-id>``, mode 0700, this run's alone."""

    @property
    def id(self) -> str:
        return self.on_disk.run_id

    @property
    def data(self) -> Path:
        """The data folder of the run's private server."""
        return self.folder / "data"

    @classmethod
    def create(
        cls,
        settings: Settings,
        config_path: Path,
        shard_name: str,
        *,
        node_id: str = "",
        first_backup: str | None = None,
        force: bool = False,
    ) -> Run:
        """Starts a run: a new id and an empty folder. Raises ``UnknownShard``, or ``RunError`` for an unusable
        scratch folder."""
        shard = topology(settings).find(shard_name)
        now = datetime.now(UTC)
        on_disk = RunOnDisk(
            run_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
            shard=shard.name,
            node_id=node_id,
            started_at=now,
            first_backup=first_backup,
            force=force,
        )
        run = cls(on_disk, shard, settings, config_path, runs_folder(settings) / on_disk.run_id)
        try:
            files.make_private(run.folder, exist_ok=False)
            files.write_atomically(run.folder / _RECORD, on_disk.model_dump_json().encode())
        except OSError as error:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise scratch_error(settings.node.scratch, error) from error
        return run

    @classmethod
    def load(cls, settings: Settings, config_path: Path, run_id: str) -> Run:
        """Finds a run again by its id. Raises ``RunError`` when its folder is gone, ``UnknownShard`` when its
        shard has left the configuration."""
        if not _RUN_ID.fullmatch(run_id):
            raise RunError(f'"{run_id}" is not the id of a run')
        folder = runs_folder(settings) / run_id
        on_disk = read_run(folder)
        return cls(on_disk, topology(settings).find(on_disk.shard), settings, config_path, folder)

    def recall(self, kind: type[Result]) -> Result | None:
        """What the step returned when it was done before, or None."""
        try:
            return kind.model_validate_json((self.folder / f"{kind.step}.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise RunError(f"run {self.id}: {kind.step}.json in {self.folder} is damaged") from error

    def expect(self, kind: type[Result]) -> Result:
        """The same for a step that must have been done: ``RunError`` when it was not."""
        result = self.recall(kind)
        if result is None:
            raise RunError(
                f"{self.shard.name}: run {self.id} has not done its {kind.step} step",
                f"the steps of a run go {', '.join(STEPS)}; start a new run",
            )
        return result

    def record(self, result: Result) -> Result:
        """Writes a step's result into the folder: from now on the step is done."""
        self._write(self.folder / f"{result.step}.json", result.model_dump_json())
        return result

    def note_kept(self, backup: int | None) -> None:
        """Notes which backup's kept folder the run's data folder began as; None: it did not. A step that comes again
        must know."""
        self._write(self._kept, None if backup is None else str(backup))

    def noted_kept(self) -> int | None:
        """What ``note_kept`` has noted. Raises ``RunError`` when that cannot be read."""
        try:
            return int(self._kept.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunError(f"run {self.id}: {self._kept} is damaged") from error

    @property
    def _kept(self) -> Path:
        return self.folder / "went-on-from"

    def note_inventory(self, which: Noted, note: InventoryNote | None) -> None:
        """Keeps it for a later step; None when there is nothing to keep."""
        self._write(self._inventory(which), None if note is None else note.model_dump_json())

    def noted_inventory(self, which: Noted) -> InventoryNote | None:
        """What an earlier step has kept. Raises ``RunError`` when that cannot be read."""
        try:
            return InventoryNote.model_validate_json(self._inventory(which).read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise RunError(f"run {self.id}: {self._inventory(which)} is damaged") from error

    def _write(self, path: Path, text: str | None) -> None:
        """Writes a file of the run's folder; None removes it."""
        try:
            if text is None:
                path.unlink(missing_ok=True)
            else:
                files.write_atomically(path, text.encode())
        except OSError as error:
            raise scratch_error(self.settings.node.scratch, error) from error

    def _inventory(self, which: Noted) -> Path:
        return self.folder / f"inventory-{which}.json"

    def forget(self, *kinds: type[StepResult]) -> None:
        """Makes steps undone, so that they are done again."""
        for kind in kinds:
            (self.folder / f"{kind.step}.json").unlink(missing_ok=True)


def runs_folder(settings: Settings) -> Path:
    """Where the runs of every node with this scratch folder work."""
    return settings.node.scratch / "runs"


def read_run(folder: Path) -> RunOnDisk:
    """What a folder says about its run. Raises ``RunError`` when it is not a run's folder."""
    try:
        return RunOnDisk.model_validate_json((folder / _RECORD).read_bytes())
    except FileNotFoundError:
        raise RunError(f"there is no run in {folder}", "it has ended, or it belongs to another node") from None
    except (OSError, ValidationError) as error:
        raise RunError(f"{folder / _RECORD} cannot be read as the record of a run") from error


@dataclass(frozen=True, slots=True)
class Seen:
    """A backup that somebody remembers to have been the newest."""

    number: int
    digest: str = ""
    """Of its manifest; empty when that was not noted."""


class Known:
    """What this node remembers about a shard's backups, so that a repository that is suddenly empty (a wrong url, a
    disk that is not mounted) is not taken for a new one."""

    def __init__(self, settings: Settings, shard_name: str) -> None:
        self._file = settings.node.scratch / "known" / f"{shard_name}.json"
        self._url = settings.repository.url

    @property
    def path(self) -> Path:
        """The file that the node remembers it in; to remove it is to forget."""
        return self._file

    def newest(self) -> int | None:
        """The number of the newest backup that this node has committed or restored, in this or any repository."""
        noted = self._read()
        return noted[0].number if noted else None

    def seen(self) -> Seen | None:
        """The same with its digest, if it was in the repository that is configured now."""
        noted = self._read()
        return noted[0] if noted and noted[1] == self._url else None

    def _read(self) -> tuple[Seen, str] | None:
        try:
            noted = json.loads(self._file.read_bytes())
            return Seen(int(noted["number"]), str(noted.get("digest", ""))), str(noted.get("url", ""))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # a view only; the repository and the policy decide

    def remember(self, seen: Seen) -> None:
        """Notes the newest backup."""
        files.make_private(self._file.parent)
        files.write_atomically(self._file, json.dumps(asdict(seen) | {"url": self._url}).encode())
