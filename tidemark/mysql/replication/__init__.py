"""From a restored position to the checkpoint: following a source, and what its threads say when they cannot.

::

    binlogs  the bridge: how far the source's binary logs reach back
    catchup  replicate until the checkpoint, follow the primary when it moves
    errors   what replication threads say is wrong, and what to try
"""
