"""What people do with backups: restore them, bring tables out, rehearse, verify. Needs no fleet.

::

    drill    a rehearsal: restore, start, read everything, tell how long
    restore  a backup becomes a data folder
    staging  where a restore works until it is complete
    tables   single tables out of a backup
    verify   a backup is read and checked where it lies
"""
