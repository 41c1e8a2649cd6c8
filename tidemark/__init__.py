"""Tidemark: full physical backups of sharded MySQL and MariaDB, without reading them from the serving primaries.

::

    __main__        ``python -m tidemark``
    alerts/         who is told what is wrong with shards, once
    cli/            the command line
    config/         the configuration: one TOML file, validated
    direct_io       writing past the page cache
    disk            room on a disk, and a folder for one process alone
    errors          every error that is raised on purpose
    exporter/       the fleet's figures for Prometheus
    files           small files, written whole or not at all; reading secrets
    fleet/          what the fleet shares in Redis: leases, records, views
    holdings        what a server said that it holds, and whose history it is in
    maintenance/    what keeps a repository in order: pruning, mirrors, keys
    mysql/          MySQL and MariaDB: the private server and its source
    page_inspector  InnoDB's page checksums for the repository, which knows no pages
    planning        how long a cycle takes and how many nodes it needs; pure
    progress        what long work says while it runs, and what may end it
    queue/          the broker: requests, what waits, what was left over
    recovery/       what people do with backups: restore, tables, drill, verify
    repository/     bytes: blocks, frames, packs, maps, manifests, keys, retention
    results         what steps return, and why something failed
    shards/         which shards there are, and where their servers are now
    steps/          what a run does: restore, catchup, stop, upload
    storage/        objects in a folder, S3, Google Cloud Storage or memory
    web/            the fleet in a browser, inside Flower
    wiring          from settings to tools: a repository, its keys, a flavour
"""

__version__ = "0.1.0"
