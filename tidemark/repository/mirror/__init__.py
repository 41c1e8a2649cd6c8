"""A second store that is brought level with the first one, without opening what is copied.

::

    copy    copies packs that a store lacks
    mirror  brings a store level with the first one
"""
