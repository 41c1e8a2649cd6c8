"""Master keys and the data key that they wrap: where keys come from, how they are wrapped, changed and retired.

::

    keyring   the master keys that are configured
    keys      master keys, the data key, and how one wraps the other
    kms       a master key in AWS KMS
    rotation  new master keys in, old ones out
"""
