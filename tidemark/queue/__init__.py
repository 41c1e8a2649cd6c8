"""The fleet's broker as the rest of the engine uses it: requests, what waits, what was left over. Knows
Celery and Redis.

::

    admission  which requests there is room for
    app        the fleet's Celery application
    client     what people ask of the fleet: run, cancel, retry
    leftovers  what the janitor looks for
    messages   what lies in the broker, as kombu keeps it in Redis
    parked     requests that wait for room, out of the queue
"""
