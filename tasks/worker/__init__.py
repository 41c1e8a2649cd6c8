"""What a worker process needs beside its tasks: to be a node, to come back, to tell what it does.

::

    figures       what the fleet remembers of a step, and where an error came from
    log_shipping  log lines on their way to Redis
    logs          log lines say which shard, step and run they are about
    node          this worker as a node: its queue, its signs of life
    progress      what a running step tells, with speed and time left
    recovery      what a node finds when it starts again
    revoked       what becomes of a run that was revoked
"""
