"""What an account on a source may do, beside what Tidemark asks of it: nothing is missing, and nothing is too much."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tidemark.mysql.source.base import Source

EVERY_RUN = {
    "mysql": ("REPLICATION SLAVE", "REPLICATION CLIENT"),
    "mariadb": ("REPLICATION SLAVE", "BINLOG MONITOR"),
}
"""What the catch-up needs, by flavour; on MySQL the second one to see whether schemas are left out of the log."""
FIRST_COPY = {
    "mysql": ("BACKUP_ADMIN",),
    "mariadb": ("SELECT", "RELOAD", "LOCK TABLES", "SHOW VIEW", "EVENT", "TRIGGER"),
}
"""What ``first_backup = "clone"`` needs besides."""
OF_REPLICA = {"mysql": (), "mariadb": ("SLAVE MONITOR",)}
"""What is needed to see how far behind a replica is, and what it leaves out."""
OF_USE = {"mysql": (), "mariadb": ("SLAVE MONITOR", "REPLICATION CLIENT")}
"""What an account may have besides."""
OTHER_ENGINES = {"mysql": ("SELECT", "LOCK TABLES", "TRIGGER"), "mariadb": ()}
"""What a first copy needs for tables that are not InnoDB."""
_EVERYTHING = frozenset({"ALL PRIVILEGES", "ALL"})
_GRANT = re.compile(r"GRANT (?P<rights>.+?) ON (?P<on>.+?) TO (?P<rest>.+)", re.S)


@dataclass(frozen=True, slots=True)
class Review:
    """The verdict on an account."""

    missing: tuple[str, ...] = ()
    """Global rights that it lacks; and, of the server, the CLONE plugin."""
    grant: str = ""
    """The statement that gives them; empty when none is missing."""
    too_much: tuple[str, ...] = ()
    """What it may do and need not: global rights, ``ALL PRIVILEGES ON `shop`.*``, ``GRANT OPTION``, ``PROXY``."""
    revoke: str = ""
    """The statement that takes the global ones of these away; empty when that is not to be said in one."""


def review_rights(source: Source, *, first_copy: bool, replica: bool = False) -> Review:
    """Judges the account that the source was asked with, its active roles included. ``first_copy``: whether it may have
    to make one; ``replica``: whether the source is a replica, whose lag has to be seen."""
    found = judge(source.grants(), source.flavour, source.account(), first_copy=first_copy, replica=replica)
    if first_copy and source.flavour == "mysql":
        status = source.session.value(
            "SELECT plugin_status FROM information_schema.plugins WHERE plugin_name = 'clone'"
        )
        if status != "ACTIVE":
            statements = f"INSTALL PLUGIN clone SONAME 'mysql_clone.so'; {found.grant}".strip()
            found = dataclasses.replace(found, missing=(*found.missing, "the CLONE plugin"), grant=statements)
    return found


def judge(grants: Iterable[str], flavour: str, account: str, *, first_copy: bool, replica: bool) -> Review:
    """The same for the lines of ``SHOW GRANTS``. Pure."""
    held: set[str] = set()
    elsewhere: list[str] = []
    for line in grants:
        if match := _GRANT.match(line):
            rights = [right.strip() for right in re.split(r",\s*(?![^()]*\))", match["rights"])]
            if match["rest"].rstrip().endswith("WITH GRANT OPTION") or " WITH GRANT OPTION" in match["rest"]:
                held.add("GRANT OPTION")
            if match["on"] == "*.*":
                held.update(rights)
            elif rights != ["USAGE"]:
                elsewhere.append(f"{', '.join(rights)} ON {match['on']}")
    everything = bool(held & _EVERYTHING)
    needed = [*EVERY_RUN[flavour]]
    if first_copy:
        needed += FIRST_COPY[flavour]
    if replica:
        needed += OF_REPLICA[flavour]
    allowed = {*needed, *OF_USE[flavour], *(OTHER_ENGINES[flavour] if first_copy else ()), "USAGE"}
    missing = () if everything else tuple(right for right in needed if right not in held)
    above = sorted(right for right in held - allowed)
    revoke = ""
    if everything or "GRANT OPTION" in held:
        # MySQL keeps the grant option of dynamic rights when only that of the others is revoked: begin anew.
        keep = ", ".join(dict.fromkeys([*needed, *sorted(held & allowed - {"USAGE"})]))
        revoke = f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}; GRANT {keep} ON *.* TO {account};"
    elif above:
        revoke = f"REVOKE {', '.join(above)} ON *.* FROM {account};"
    return Review(
        missing=missing,
        grant=f"GRANT {', '.join(missing)} ON *.* TO {account};" if missing else "",
        too_much=(*above, *elsewhere),
        revoke=revoke,
    )
