"""When things happen: the schedule of a cycle, and the scheduler that keeps its state in Redis.

::

    schedule   points of time that come once per cycle
    scheduler  RedBeat, over our own connection, that waits for Redis
"""
