"""Commands about backups and the repository that they are in; they need no fleet.

::

    backup          ``tidemark backup``
    backups         ``tidemark backups``
    drill           ``tidemark drill``
    keys            ``tidemark keys``
    mirror          ``tidemark mirror``
    prune           ``tidemark prune``
    restore         ``tidemark restore``
    restore_tables  what ``tidemark restore --tables`` does and prints
    verify          ``tidemark verify``
"""
