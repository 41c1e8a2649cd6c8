"""Every newest backup is restored through the command line, a stock server is started on it, and every table is
compared with what the primary held at that position. What it held then is told by a plain replica."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.checksums import Checksums, checksums
from sandbox.demo.fleet import Fleet
from sandbox.demo.screen import Screen
from sandbox.demo.stage import Shard, Stage
from sandbox.stock import StockServer
from sandbox.witness import Witness


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison of a shard gave."""

    shard: str
    number: int
    """The backup's number."""
    position: str
    """Its GTID position."""
    tables: int
    """How many tables were compared."""
    seconds: float
    """What the restore took."""
    differences: list[str] = field(default_factory=list)
    """What is not as it was on the primary; empty when all is well."""


class Proof:
    """Restores and compares the shards, two at a time."""

    def __init__(self, stage: Stage, fleet: Fleet, screen: Screen, folder: Path) -> None:
        self._stage = stage
        self._fleet = fleet
        self._screen = screen
        self._folder = folder
        self._restoring = threading.Lock()

    def run(self) -> list[Verdict]:
        """A verdict per shard, in the shards' order."""
        self._folder.mkdir(mode=0o700)
        by_primary = [
            [shard for shard in self._stage.shards if shard.label == label] for label in self._stage.primaries
        ]
        with ThreadPoolExecutor(len(by_primary)) as pool:
            return [verdict for verdicts in pool.map(self._prove, by_primary) for verdict in verdicts]

    def _prove(self, shards: list[Shard]) -> list[Verdict]:
        """The shards of one primary: its witness passes their positions in order."""
        verdicts = {}
        found = [(shard, *self._restore(shard)) for shard in shards]
        found.sort(key=lambda entry: _transactions(str(entry[1]["position"])))
        with Witness(shards[0].primary, self._folder / f"witness-{shards[0].primary.port}") as witness:
            for shard, backup, held in found:
                position = "".join(str(backup["position"]).split())
                problems = differences(held, witness.checksums_at(position))
                if backup["server_position"] != position:
                    problems.append(f"the server is at {backup['server_position']}, the manifest says {position}")
                verdict = Verdict(
                    shard.name, int(backup["number"]), position, len(held), float(backup["seconds"]), problems
                )
                self._tell(verdict)
                verdicts[shard.name] = verdict
        return [verdicts[shard.name] for shard in shards]

    def _restore(self, shard: Shard) -> tuple[dict[str, Any], Checksums]:
        """Restores the newest backup; what a server that is started on it says."""
        target = self._folder / shard.name.replace("/", "_")
        with self._restoring:  # one after the other: that gives an honest speed
            backup = self._fleet.ask("restore", shard.name, "--to", str(target))
        server_folder = target.with_name(f"{target.name}-server")
        with StockServer(server_folder, shard.primary.flavour, data=target, tls="off") as server:
            held = checksums(server)
            backup["server_position"] = server.position()
        shutil.rmtree(target)
        return backup, held

    def _tell(self, verdict: Verdict) -> None:
        if verdict.differences:
            self._screen.say(f"{verdict.shard}: DIFFERS: {'; '.join(verdict.differences[:5])}", "bold red")
        else:
            self._screen.say(
                f"{verdict.shard}: backup {verdict.number} restored in {verdict.seconds:.1f} s and started: "
                f"{verdict.tables} tables equal the primary's",
                "green",
            )


def differences(held: Checksums, wanted: Checksums) -> list[str]:
    """A line for each table in which what is held is not what is wanted; none when all is well."""
    missing = [f"{table} is missing" for table in sorted(wanted.keys() - held.keys())]
    alien = [f"{table} should not be there" for table in sorted(held.keys() - wanted.keys())]
    other = [f"{table} differs" for table in sorted(held.keys() & wanted.keys()) if held[table] != wanted[table]]
    return missing + alien + other


def _transactions(position: str) -> int:
    """The number of the last transaction: these primaries have one stream of them each."""
    return int("".join(position.split()).rsplit("-", 1)[-1])
