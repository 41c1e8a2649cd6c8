"""Commands for who sets things up: is everything in place, and who may look.

::

    check       ``tidemark config check``
    completion  ``tidemark completion``
    shards      ``tidemark shards``
    users       ``tidemark users``
"""
