"""Commands that ask the fleet, or ask something of it.

::

    cancel       ``tidemark cancel``
    enqueued     waiting for runs that were asked for
    exporter     ``tidemark exporter``
    janitor      ``tidemark janitor``
    logs         ``tidemark logs``
    nodes        ``tidemark nodes``
    notify       ``tidemark notify``
    plan         ``tidemark plan``
    queue        ``tidemark queue``
    rescan       ``--rescan``: Redis is made to agree with the repository
    retry        ``tidemark retry``
    run          ``tidemark run``
    shard_table  the table of shards, as wide as the terminal
    show         ``tidemark show``
    status       ``tidemark status``
"""
