"""The fleet in a browser, inside Flower (same process, same login): what ``tidemark.cli`` is in a terminal. Only this
room knows Flower and Tornado.

``flowerconfig.py``, which Flower reads when it starts, calls ``login.install`` and ``plugin.install``. ``board`` and
``story`` say what the pages show and are pure; ``reader`` asks the fleet, ``actions`` does what the buttons say.
"""
