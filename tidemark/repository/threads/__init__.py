"""What keeps many threads on one piece of work: how they stop together, what bounds them, what they tell.

::

    crew    threads that stop together
    limits  how fast, and how long without a byte
    meter   what is done, told now and then
"""
