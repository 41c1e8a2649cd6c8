"""The command line.

::

    bars         a progress bar for each step
    context      what every command is given: options, settings, shard names
    fleet/       commands that ask the fleet, or ask something of it
    main         ``tidemark``: the commands, and what each does about errors
    output       how things look: consoles, tables, sizes, times
    pauses       waiting between two looks until Ctrl-C comes
    repository/  commands about backups and where they are
    selection    which shards a command is about
    setup/       commands for who sets things up
    spark        a row of numbers as a row of little bars
"""

from tidemark.cli.main import main

__all__ = ["main"]
