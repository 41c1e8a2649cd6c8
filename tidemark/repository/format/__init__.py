"""What a repository's objects hold, byte by byte; ``docs/format.md`` says the same in words. Nothing here does I/O.

::

    backup     what is known of a backup
    block_map  where the blocks of a file are
    geometry   how files are cut
    manifest   the object that makes a backup
    names      the names of a shard's objects
    sealing    frames: compressed and encrypted
"""
