"""What differs between MySQL and MariaDB, behind one protocol: callers never compare names or versions.

::

    base      the protocol of a flavour
    mariadb   MariaDB
    mysql     MySQL
    programs  the programs of one installation
"""
