"""The fleet in a browser, inside Flower (same process, same login): what ``tidemark.cli`` is in a terminal. Knows
Flower and Tornado.

``flowerconfig.py``, which Flower reads when it starts, calls ``login.install`` and ``plugin.install``. ``board`` and
``story`` say what the pages show and are pure; ``reader`` asks the fleet, ``actions`` does what the buttons say.

::

    actions   what the buttons do
    board     what the page of all shards shows; pure
    changes   which rows have changed since a browser asked last
    handlers  the pages and their JSON, as Tornado handlers
    login     Flower's login
    menu      Flower's templates with ours beside them
    plugin    how the pages get into Flower
    reader    what the pages ask of the fleet
    story     what a shard's own page shows; pure
    users     who may look: a file of names and hashes
"""
