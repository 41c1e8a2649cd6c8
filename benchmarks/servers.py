"""What has servers in it: catching up, and the cycle of a shard in which nothing happens."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from benchmarks.dataset import LOADING, TABLES, sysbench
from benchmarks.figure import Bench, Outcome, size_of
from sandbox.primary import Flavour, Primary
from sandbox.programs import find_programs
from sandbox.workload import fill
from tests.support.project import Project
from tidemark import mysql, steps
from tidemark.mysql import replicate_until
from tidemark.mysql.server import buffer_pool
from tidemark.progress import ignore
from tidemark.recovery import restore
from tidemark.results import StepResult

FOREVER = 1800.0
"""Seconds until a measurement is given up."""

STOCK: dict[Flavour, dict[str, str | None]] = {
    "mariadb": {
        "innodb-buffer-pool-size": "128M",
        "innodb-flush-log-at-trx-commit": "1",
        "innodb-doublewrite": "1",
        "innodb-log-file-size": "96M",
        "skip-log-bin": None,
    },
    "mysql": {
        "innodb-buffer-pool-size": "128M",
        "innodb-flush-log-at-trx-commit": "1",
        "innodb-doublewrite": "1",
        "innodb-redo-log-capacity": "100M",
        "sync-binlog": "1",
    },
}
"""What a server has that nobody has configured; the sandbox's primaries are set otherwise."""


def catchup_mariadb(bench: Bench) -> list[Outcome]:
    """Catching up with a write-heavy MariaDB against a replica with default settings."""
    return _catchup(bench, "mariadb", bench.datasets.eight())


def catchup_mysql(bench: Bench) -> list[Outcome]:
    """The same for MySQL."""
    return _catchup(bench, "mysql", bench.datasets.mysql())


def _catchup(bench: Bench, flavour: Flavour, data: Path) -> list[Outcome]:
    folder = bench.folder(f"catchup-{flavour}")
    options = dict(LOADING) | {"innodb-redo-log-capacity" if flavour == "mysql" else "innodb-log-file-size": "1G"}
    del options["skip-log-bin"]
    shutil.copytree(data, folder / "primary" / "data")
    with Primary(folder / "primary", flavour, data=folder / "primary" / "data", options=options) as primary:
        user, password = primary.create_backup_account()
        # MySQL knows its position again from the data; MariaDB's is told to whoever starts on a copy.
        start = primary.position()
        primary.stop()
        for place in ("stock", "ours"):
            shutil.copytree(
                primary.data, folder / place / "data", ignore=shutil.ignore_patterns("binlog.*", "auto.cnf")
            )
        primary.start()
        rows = bench.datasets.rows if flavour == "mariadb" else bench.datasets.rows // 4
        sysbench(
            primary,
            "oltp_write_only",
            "run",
            tables=TABLES,
            table_size=rows,
            threads=8,
            events=bench.transactions,
            time=0,
            rand_type="uniform",
        )
        endpoint = mysql.Endpoint(primary.host, primary.port, user, password)
        checkpoint = primary.position()
        theirs = _stock_replica(folder / "stock", flavour, primary, (user, password), start, checkpoint)
        ours = _private(folder / "ours", flavour, primary, endpoint, start, checkpoint, size_of(data))
    return [
        Outcome(
            f"catchup-{flavour}",
            f"transactions per second of a catch-up against a default replica's, {flavour}",
            theirs / ours,
            3.0,
            "more",
            parts={
                "catchup_tps": bench.transactions / ours,
                "default_replica_tps": bench.transactions / theirs,
                "transactions": bench.transactions,
            },
        )
    ]


def _stock_replica(
    folder: Path, flavour: Flavour, primary: Primary, account: tuple[str, str], start: str, checkpoint: str
) -> float:
    """Seconds that a replica with stock settings takes."""
    with Primary(folder, flavour, data=folder / "data", options=STOCK[flavour]) as replica:
        user, password = account
        if flavour == "mysql":
            replica.execute(
                f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={primary.port}, "
                f"SOURCE_USER='{user}', SOURCE_PASSWORD='{password}', SOURCE_AUTO_POSITION=1, SOURCE_SSL=1"
            )
            began = time.perf_counter()
            replica.execute("START REPLICA")
            reached = f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{checkpoint}', {FOREVER:.0f})"
        else:
            replica.execute(f"SET GLOBAL gtid_slave_pos = '{start}'")
            replica.execute(
                f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='{user}', "
                f"MASTER_PASSWORD='{password}', MASTER_USE_GTID=slave_pos"
            )
            began = time.perf_counter()
            replica.execute("START SLAVE")
            reached = f"SELECT MASTER_GTID_WAIT('{checkpoint}', {FOREVER:.0f})"
        if replica.execute(reached)[0][0] != 0:
            raise SystemExit(f"the {flavour} replica has not reached {checkpoint} within {FOREVER:.0f} s")
        seconds = time.perf_counter() - began
        replica.execute("STOP REPLICA" if flavour == "mysql" else "STOP SLAVE")
        return seconds


def _private(
    folder: Path,
    flavour: Flavour,
    primary: Primary,
    endpoint: mysql.Endpoint,
    start: str,
    checkpoint: str,
    data_bytes: int,
) -> float:
    """Seconds that a run's private server takes, with the settings that a node gives it by default."""
    with mysql.connect(endpoint) as source:
        variables = source.variables()
    options = mysql.ServerOptions(
        variables=variables,
        buffer_pool=buffer_pool.size(data_bytes, buffer_pool.memory()),
        start_timeout=300,
        stop_timeout=600,
        disable_redo_log=True,
        die_with_parent=True,
    )
    server = mysql.PrivateServer(_installed(flavour), folder, options)
    server.mark_cold()
    try:
        server.start(ignore)
        server.set_position(start)
        began = time.perf_counter()
        replicate_until(server, lambda: endpoint, checkpoint, mysql.CatchupLimits(FOREVER), progress=ignore)
        seconds = time.perf_counter() - began
        server.stop(upgrade_safe=False, progress=ignore)
        return seconds
    finally:
        mysql.kill_leftover(folder)


def idle(bench: Bench) -> list[Outcome]:
    """The whole cycle of an idle, tiny shard against a bare start and stop of its server."""
    return [_idle(bench, "mariadb"), _idle(bench, "mysql")]


def _idle(bench: Bench, flavour: Flavour) -> Outcome:
    folder = bench.folder(f"idle-{flavour}")
    with Primary(folder / "primary", flavour) as primary:
        fill(primary, 2)
        project = Project(folder)
        project.add_shard("bench/0", primary)
        settings = project.settings()

        def cycle() -> list[StepResult]:
            results: list[StepResult] = []
            steps.alone.run(settings, project.path, "bench/0", steps.alone.Audience(finished=results.append))
            return results

        cycle()
        runs = []
        for _ in range(bench.rounds):
            began = time.perf_counter()
            results = cycle()
            runs.append((time.perf_counter() - began, {result.step: result.seconds for result in results}))
        bare = min(_bare(project, flavour, folder / "bare") for _ in range(bench.rounds))
    seconds, by_step = min(runs, key=lambda run: run[0])
    return Outcome(
        "idle",
        f"an idle, tiny shard's whole cycle beyond a bare server start and stop, {flavour}",
        seconds - bare,
        2.0,
        "less",
        unit="s",
        parts={"cycle_seconds": seconds, "bare_seconds": bare}
        | {f"{step}_seconds": taken for step, taken in by_step.items()},
    )


def _bare(project: Project, flavour: Flavour, folder: Path) -> float:
    """Seconds to start a server on the restored data, with the same options, and to stop it."""
    shutil.rmtree(folder, ignore_errors=True)
    restore.run(project.settings(), restore.find(project.settings(), "bench/0"), folder / "data")
    options = mysql.ServerOptions({}, 256 << 20, 60, 60, disable_redo_log=False, die_with_parent=True)
    server = mysql.PrivateServer(_installed(flavour), folder, options)
    server.mark_cold()
    began = time.perf_counter()
    server.start(ignore)
    server.stop(upgrade_safe=False, progress=ignore)
    return time.perf_counter() - began


def _installed(flavour: Flavour) -> mysql.Flavour:
    """The flavour with the programs of this machine."""
    programs = find_programs(flavour)
    if programs is None:
        raise SystemExit(f"the programs of {flavour} are not on this machine")
    return mysql.find_flavour(flavour, programs.server.parent)
