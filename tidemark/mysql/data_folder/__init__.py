"""A server's data folder at rest: what in it belongs into a backup, whether its pages are sound, how to start on it.

::

    at_rest         is this a data folder, and is a server at work in it?
    coverage        do the chosen files hold all that the server said it has?
    page_checksums  InnoDB's own page checksums, recomputed
    selection       which files belong into a backup
    start_command   what a person types to look at what was restored
"""
