"""Single tables: chosen by patterns, checked, and brought out of a private server.

::

    check     can a server read all that it holds?
    export    tables in the form that IMPORT TABLESPACE takes
    patterns  which tables a person means
"""
