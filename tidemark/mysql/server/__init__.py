"""The private server: started, asked, stopped and, when it must be, killed; and what stands on disk about it.

::

    buffer_pool  how large the buffer pool is
    error_log    what the error log says that somebody needs to know
    inventory    what the server says that it holds
    private      start, ask, stop, kill
    state        what stands on disk about a server, for a later process
"""
