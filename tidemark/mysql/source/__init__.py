"""The primary, or a replica that stands in for it: found, logged in to, asked; never read from but for a first copy.

::

    base        the questions that a source answers
    connect     connecting, encrypted as asked for
    discovery   which of several servers is the primary
    handshake   what a server says before anybody has logged in
    login       how programs log in to a source
    mariadb     a MariaDB server as a source
    mysql       a MySQL server as a source
    privileges  what an account may do beside what is asked of it
    time_zone   the local time of a source, and a zone that gives the same
"""
