"""The first backup's data, copied from the source once.

::

    clone  MySQL's: the CLONE plugin, and a dump for what it copies empty
    copy   the first copy in the way of the server's flavour
    dump   MariaDB's: a consistent dump, streamed
"""
