"""Which backups go and which stay, and the deleting of what no backup refers to.

::

    prune      deletes backups and packs
    retention  which backups stay; pure
"""
