"""From packs in the store back to a folder, or to nowhere: every block is checked on its way.

::

    frames      reads maps and frames in threads, checks every block
    probe       one frame, to see that the key is right
    restore     a backup becomes a folder
    target      the folder that is written to
    verify      a backup is looked at, nothing is written
    verify_all  all backups of a shard are looked at, and what belongs to none
    write_back  syncs files while others are written
"""
